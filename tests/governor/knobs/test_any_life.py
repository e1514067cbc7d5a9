"""Whatever happens in whatever order, originals come back and other people's settings stay."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from knob_help import FakeKnob, Life

from edge_rt.governor.knobs.journal import Journal, JournalEntry
from edge_rt.governor.knobs.knob import KnobError, Value

NAMES = ("a", "b", "c")
ORIGINALS: dict[str, Value] = {"a": 100, "b": "MAXN", "c": 0}
WISHES: dict[str, list[Value]] = {"a": [60, 61], "b": ["15W", "25W"], "c": [1, 2]}
REFUSED = st.frozensets(st.sampled_from(NAMES))
RUNS = st.lists(st.tuples(st.integers(0, 40) | st.none(), st.integers(0, 1), REFUSED), max_size=8)


class Crash(BaseException):
    """The process is gone."""


class Fuse:
    """Counts steps and ends the process after some."""

    def __init__(self, steps: int | None) -> None:
        self.steps = steps

    def burn(self) -> None:
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise Crash


class MortalKnob(FakeKnob):
    fuse = Fuse(None)

    def write(self, value: Value) -> None:
        self.fuse.burn()
        super().write(value)
        self.fuse.burn()


class MortalJournal(Journal):
    fuse = Fuse(None)

    def put(self, *added: JournalEntry) -> None:
        self.fuse.burn()
        super().put(*added)
        self.fuse.burn()

    def drop(self, knob: str) -> None:
        self.fuse.burn()
        super().drop(knob)
        self.fuse.burn()


def life(folder: Path, knobs: dict[str, MortalKnob], steps: int | None) -> Life:
    """A process that ends by itself after some steps."""
    fuse = Fuse(steps)
    for knob in knobs.values():
        knob.fuse = fuse
    journal = MortalJournal(folder / "knobs.json")
    journal.fuse = fuse
    return Life(folder, *knobs.values(), journal=journal)


def run(process: Life, target: int, refused: frozenset[str]) -> None:
    """Start, turn, stop; some knobs refuse to be written."""
    for name in NAMES:
        process.knobs[name].refusal = KnobError("no right") if name in refused else None
    try:
        process.turner.restore()
        for name in NAMES:
            process.turn(WISHES[name][target], name)
        process.turner.restore()
    except Crash:
        return


@settings(max_examples=3 * settings().max_examples // 5)
@given(RUNS)
def test_originals_come_back_after_any_sequence_of_lives(
    runs: list[tuple[int | None, int, frozenset[str]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        knobs = {n: MortalKnob(n, ORIGINALS[n]) for n in NAMES}
        for steps, target, refused in runs:
            run(life(folder, knobs, steps), target, refused)
        last = life(folder, knobs, None)
        for knob in knobs.values():
            knob.refusal = None
        last.turner.restore()
        assert {n: knob.value for n, knob in knobs.items()} == ORIGINALS
        assert last.journal.entries() == ()


@settings(max_examples=2 * settings().max_examples // 5)
@given(RUNS, st.sampled_from(NAMES), st.integers(0, 7))
def test_what_somebody_else_sets_between_two_complete_turns_stays(
    runs: list[tuple[int | None, int, frozenset[str]]], mover: str, when: int
) -> None:
    theirs: dict[str, Value] = {"a": 7, "b": "theirs", "c": 9}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        knobs = {n: MortalKnob(n, ORIGINALS[n]) for n in NAMES}
        expected = dict(ORIGINALS)
        for index, (steps, target, refused) in enumerate(runs):
            run(life(folder, knobs, steps), target, refused)
            entry = Journal(folder / "knobs.json").get(mover)
            if index == when and (entry is None or entry.came is not None):
                knobs[mover].value = expected[mover] = theirs[mover]
        last = life(folder, knobs, None)
        for knob in knobs.values():
            knob.refusal = None
        last.turner.restore()
        assert {n: knob.value for n, knob in knobs.items()} == expected
