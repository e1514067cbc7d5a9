"""`tools/mutate` draws faults, which cosmic-ray makes, and reports how the tests met them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from benchlib import BenchError
from mutatelib.command import _begin, draw, outcomes, report

ADDED, UNION = "core/ReplaceBinaryOperator_Add_Sub", "core/ReplaceBinaryOperator_BitOr_Add"
SCHEMA = """
CREATE TABLE work_items (job_id VARCHAR);
CREATE TABLE mutation_specs (
    module_path VARCHAR, operator_name VARCHAR, operator_args JSON, occurrence INTEGER,
    job_id VARCHAR
);
CREATE TABLE work_results (test_outcome VARCHAR, diff TEXT, job_id VARCHAR);
"""


def session(path: Path, ids: str, operator: str = ADDED) -> Path:
    """What cosmic-ray lists of a room; it gives other ids each time."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(SCHEMA)
        for number in range(20):
            job = f"{ids} {number}"
            db.execute("INSERT INTO work_items VALUES (?)", [job])
            row = ("edge_rt/x.py", operator, "[]", number, job)
            db.execute("INSERT INTO mutation_specs VALUES (?, ?, ?, ?, ?)", row)
    return path


def left(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        specs = db.execute("SELECT occurrence, job_id FROM mutation_specs").fetchall()
        items = db.execute("SELECT job_id FROM work_items").fetchall()
    assert {job for _, job in specs} == {job for (job,) in items}
    return sorted(occurrence for occurrence, _ in specs)


def test_the_seed_decides_which_faults_of_all_rooms_are_put_in(tmp_path: Path) -> None:
    drawn: list[list[list[int]]] = []
    for number, seed in enumerate((33, 33, 34)):
        names = [tmp_path / f"{number} {room}.sqlite" for room in "ab"]
        rooms = [session(path, f"{number}") for path in names]
        draw(rooms, seed, 12)
        drawn.append([left(path) for path in rooms])
    assert sum(map(len, drawn[0])) == 12
    assert drawn[0] == drawn[1] != drawn[2]


def test_unions_of_types_are_no_faults(tmp_path: Path) -> None:
    plain, union = session(tmp_path / "p", "p"), session(tmp_path / "u", "u", UNION)
    draw([plain, union], 1, 100)
    assert (len(left(plain)), left(union)) == (20, [])


def test_what_was_not_caught_is_told_as_patches(tmp_path: Path) -> None:
    path = session(tmp_path / "s", "s")
    assert report(outcomes([path]), 1).values["mutants_caught"] is None
    with closing(sqlite3.connect(path)) as db, db:
        rows = [("KILLED", "a", "s 0"), ("KILLED", "b", "s 1"), ("SURVIVED", "- x\n+ y", "s 2")]
        db.executemany("INSERT INTO work_results VALUES (?, ?, ?)", rows)
    found = report(outcomes([path]), 1)
    assert found.values == {"mutants": 3, "mutants_caught": pytest.approx(2 / 3)}
    assert found.details == {"survivors": ["- x\n+ y"]}


def test_a_room_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no edge_rt/attic"):
        _begin(tmp_path, "attic", tmp_path / "s")
