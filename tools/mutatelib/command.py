"""The command `tools/mutate`, which has cosmic-ray put faults into a copy of the source."""

from __future__ import annotations

import json
import os
import random
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import click
from arm64lib.check import copy_checkout
from benchlib import BenchError
from benchlib.publish import json_option, show
from benchlib.report import Report
from bootstrap.signals import end_cleanly_on_signals

ROOMS = ("energy", "governor", "engine", "models/store", "api", "decoding")
# The tests that `tools/test` runs many of at a time, until one fails.
_TESTS = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "short")
_FAST = ("-m", "not qwen and not whole and not slow and not heavy and not alone")
_LIMIT_S = 1800  # of the tests of a room
# A | of types changes nothing that a test could notice.
_ALL = """
    SELECT job_id FROM mutation_specs WHERE instr(operator_name, 'Operator_BitOr_') = 0
    ORDER BY module_path, operator_name, operator_args, occurrence
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--room", "rooms", multiple=True, default=ROOMS, show_default=True, help="A folder of edge_rt."
)
@click.option("--count", default=300, show_default=True, help="How many faults to put in.")
@click.option("--seed", default=33, show_default=True, help="Which ones.")
@click.option("--work", type=click.Path(path_type=Path), help="Go on in this folder, and keep it.")
@json_option
def command(
    rooms: Sequence[str], count: int, seed: int, work: Path | None, json_file: Path | None
) -> None:
    """Put single faults into a copy of the source, and see whether the fast tests notice.

    Each fault is held against the fast tests of its room; a test that fails, or that takes far too
    long, has caught it. With --work, what was interrupted goes on where it ended, with the same
    faults.
    """
    end_cleanly_on_signals()
    with nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="edge-rt-") as place:
        folder = Path(place).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        copy_checkout(folder / "tree")  # a call that was killed left a fault there
        sessions = {room: folder / f"{room.replace('/', '-')}.sqlite" for room in rooms}
        if not all(session.exists() for session in sessions.values()):
            for room, session in sessions.items():
                _begin(folder / "tree", room, session)
            draw(list(sessions.values()), seed, count)
        for session in sessions.values():
            _cosmic_ray(folder / "tree", "exec", str(session.with_suffix(".toml")), str(session))
        found = outcomes(sessions.values())
        show(report(found, seed), json_file)
        click.echo("\n".join(_survivors(found)))


def _begin(tree: Path, room: str, session: Path) -> None:
    """Have all faults of a room listed, once its tests pass without any."""
    if not (tree / "edge_rt" / room).is_dir():
        raise BenchError(f"there is no edge_rt/{room}; --room names a folder of edge_rt")
    tests = shlex.join([sys.executable, *_TESTS, *_FAST, f"tests/{room}"])
    settings = {
        "module-path": [f"edge_rt/{room}"],
        "timeout": float(_LIMIT_S),
        "excluded-modules": list[str](),
        "test-command": tests,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]  # which TOML reads
    config = session.with_suffix(".toml")
    config.write_text("\n".join(["[cosmic-ray]", *lines, "distributor.name = 'local'", ""]))
    _cosmic_ray(tree, "baseline", str(config))
    _cosmic_ray(tree, "init", str(config), str(session))


def _cosmic_ray(tree: Path, *words: str) -> None:
    # A mutated file may have the size and time of the original, so that bytecode would be stale.
    environ: Mapping[str, str] = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", "cosmic_ray.cli", *words]
    if status := subprocess.call(argv, cwd=tree, env={**os.environ, **environ}):
        raise BenchError(f"cosmic-ray {words[0]} ended with {status}")


def draw(sessions: Sequence[Path], seed: int, count: int) -> None:
    """Leave `count` faults of all in the sessions, which the seed decides."""
    found: list[tuple[Path, str]] = []
    for session in sessions:
        with closing(sqlite3.connect(session)) as db:
            found += [(session, job) for (job,) in db.execute(_ALL)]
    drawn = set(random.Random(seed).sample(found, min(count, len(found))))
    for session in sessions:
        with closing(sqlite3.connect(session)) as db, db:
            jobs = [job for (job,) in db.execute("SELECT job_id FROM work_items")]
            others = [(job,) for job in jobs if (session, job) not in drawn]
            for table in ("mutation_specs", "work_items"):
                db.executemany(f"DELETE FROM {table} WHERE job_id = ?", others)


def outcomes(sessions: Iterable[Path]) -> list[tuple[str, str]]:
    """Return the outcome of the tests for each fault that was put in, and its patch."""
    found: list[tuple[str, str]] = []
    for session in sessions:
        with closing(sqlite3.connect(session)) as db:
            found += db.execute("SELECT test_outcome, diff FROM work_results")
    return found


def report(found: Sequence[tuple[str, str]], seed: int) -> Report:
    """Return how many faults were caught, and the others."""
    survivors = _survivors(found)
    caught = 1 - len(survivors) / len(found) if found else None
    return Report(
        name="mutate",
        about={"seed": seed},
        values={"mutants": len(found), "mutants_caught": caught},
        details={"survivors": survivors},
    )


def _survivors(found: Iterable[tuple[str, str]]) -> list[str]:
    return [diff for outcome, diff in found if outcome == "SURVIVED"]
