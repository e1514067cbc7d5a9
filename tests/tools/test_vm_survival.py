"""What guests have told is held against what they must, and nothing passes by being left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from vm.guest.deed import CONTAINER, KERNEL
from vm.guest.deeds import DEEDS, faults
from vm.survival import RAILS, SETTLED_S, Kept, judge
from vm.verdict import Told, Verdict

SENSORS = {"read": [1.0] * RAILS, "wanted": [1.0] * RAILS}
INSIDE = {name: min(deed.ends) for name, deed in DEEDS.items()}
ROOT = {name: min(deed.reached) for name, deed in DEEDS.items()}
BEFORE = {"kills": 0, "daemon": ["MainPID=7", "NRestarts=0"], "engines": 1}
AFTER = BEFORE | {"kills": 1, "engines": 2}
SHORTAGE: dict[str, Any] = {
    "last": {"error": {"code": "out_of_memory"}},
    "refused": {
        "status": 503,
        "retry_after": "60",
        "code": "out_of_memory",
        "message": "9 MB are missing of what MemoryMax= allows",
    },
    "answer": "is",
    "log": ["the engine stopped (memory was short and the kernel killed it)"],
    "before": BEFORE,
    "short": AFTER,
    "after": AFTER,
}
WHOLE: dict[str, Any] = {
    "left": {"databases": {}, "aside": []},
    "answer": "4",
    "up_s": 40.0,
    "again": "Paris",
    "cached": None,
    "sensors": SENSORS,
    "inside": INSIDE,
    "root": ROOT,
    "shortage": SHORTAGE,
}


def told(path: Path, *rows: tuple[int, ...], **fields: Any) -> Told:
    """A guest that has told WHOLE but for `fields`, and `rows` of the ledger at second 0."""
    text = json.dumps(WHOLE | fields) + "\n" + json.dumps({"rows": {"ledger.db": rows}}) + "\n"
    path.write_text(text)
    return Told(path, lambda: 0.0).read()


def left(*rows: tuple[int, ...], check: str = "ok", aside: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"databases": {"ledger.db": {"check": [check], "rows": rows}}, "aside": aside}


def problems(number: int, told: Told, kept: Kept | None = None) -> list[str]:
    verdict = Verdict()
    judge(number, told, kept or Kept(), verdict)
    assert bool(verdict.lines) != bool(verdict.problems)
    return verdict.problems


def test_half_a_line_is_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "told"
    file.write_text('{"answer": "4"}\n{"again": ')
    read = Told(file).read()
    assert read.said == {"answer": "4"}
    with file.open("a") as more:
        more.write('"Paris"}\r\n')
    assert read.read().said == {"answer": "4", "again": "Paris"}
    assert not read.is_whole


def test_a_guest_that_does_all_is_well(tmp_path: Path) -> None:
    assert problems(0, told(tmp_path / "told", (1,))) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"failed": "Traceback"},
        {"sensors": SENSORS | {"read": []}},
        {"sensors": SENSORS | {"read": [None] * RAILS}},
        {"sensors": SENSORS | {"read": [1.1] * RAILS}},
        {"cached": "exact"},
        {"left": left((1,), check="row 3 missing from index")},
        {"left": left(aside=("ledger.db.corrupt-1",))},
        {"inside": INSIDE | {"mount": "done"}},
        {"root": ROOT | {"mount": "EPERM"}},
        {"shortage": SHORTAGE | {"last": {"choices": []}}},
        {"shortage": SHORTAGE | {"refused": SHORTAGE["refused"] | {"status": 500}}},
        {"shortage": SHORTAGE | {"refused": SHORTAGE["refused"] | {"retry_after": None}}},
        {"shortage": SHORTAGE | {"refused": SHORTAGE["refused"] | {"message": "no"}}},
        {"shortage": SHORTAGE | {"answer": ""}},
        {"shortage": SHORTAGE | {"log": []}},
        {"shortage": SHORTAGE | {"short": AFTER | {"kills": 0}}},
        {"shortage": SHORTAGE | {"after": AFTER | {"daemon": ["MainPID=8", "NRestarts=1"]}}},
        {"shortage": SHORTAGE | {"after": AFTER | {"engines": 9}}},
    ],
)
def test_a_fault_is_told(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert problems(0, told(tmp_path / "told", (1,), **fields))


def test_a_guest_that_never_answers_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "told").write_text("")
    assert problems(0, Told(tmp_path / "told").read())
    for name, problem in (("inside", "the sandbox was not tried"), ("shortage", "memory was not")):
        missing = {key: value for key, value in WHOLE.items() if key != name}
        (tmp_path / "told").write_text(json.dumps(missing | {"rows": {"ledger.db": [[1]]}}) + "\n")
        (found,) = problems(0, Told(tmp_path / "told").read())
        assert found.startswith(f"Boot 1: {problem}")


def kept_of(told: Told, cut_s: float) -> Kept:
    kept = Kept(again="Paris")
    kept.take(told, cut_s)
    return kept


def test_rows_that_had_settled_must_be_there(tmp_path: Path) -> None:
    kept = kept_of(told(tmp_path / "first", (1,), (2,)), SETTLED_S)
    again = {"cached": "exact"}
    assert not problems(1, told(tmp_path / "next", (3,), left=left((1,), (2,)), **again), kept)
    (lost,) = problems(1, told(tmp_path / "next", (3,), left=left((1,)), **again), kept)
    assert "ledger.db has lost 1 of 2 rows" in lost
    assert problems(1, told(tmp_path / "next", (3,), **again), kept)


@pytest.mark.parametrize(
    ("rows", "well"), [([], True), ([(1,)], True), ([(1,), (2,)], True), ([(2,)], False)]
)
def test_of_the_last_rows_some_may_be_lost_but_the_last_ones_first(
    tmp_path: Path, rows: list[tuple[int, ...]], well: bool
) -> None:
    kept = kept_of(told(tmp_path / "first", (1,), (2,)), SETTLED_S - 1)
    after = told(tmp_path / "next", (3,), left=left(*rows), cached="exact")
    assert (not problems(1, after, kept)) == well


def test_what_a_guest_has_found_must_stay(tmp_path: Path) -> None:
    kept = kept_of(told(tmp_path / "first", (3,), left=left((1,), (2,))), 1.0)
    assert problems(1, told(tmp_path / "next", (4,), left=left((1,)), cached="exact"), kept)


def test_a_lost_answer_of_the_cache_is_told(tmp_path: Path) -> None:
    kept = kept_of(told(tmp_path / "first", (1,)), 1.0)
    for fields in ({"cached": None}, {"cached": "exact", "again": "London"}):
        (problem,) = problems(1, told(tmp_path / "next", (2,), **fields), kept)
        assert "wanted 'Paris'" in problem


def test_deeds_that_were_not_tried_or_are_not_known_are_faults() -> None:
    assert faults(INSIDE, ROOT, KERNEL) == []
    assert len(faults({}, {}, KERNEL)) > len(DEEDS)
    assert faults(INSIDE | {"fly": "EPERM"}, ROOT, KERNEL) == ["no such deed: fly"]


def test_what_a_place_itself_forbids_is_asked_of_the_sandbox_alone() -> None:
    assert faults(INSIDE, ROOT | {"swap": "EPERM"}, CONTAINER) == []
    assert len(faults(INSIDE, ROOT | {"swap": "EPERM"}, KERNEL)) == 1
