"""Turns every file knob below a root and puts it back, and kills itself at a step: a program.

Arguments: the root and the folder of the journal. For each number on standard input a child is
forked that dies at that step, and its exit code is written. A step is each moment before or after a
file is written or read back, the journal's or a knob's.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from edge_rt.governor.knobs.board_knobs import by_name
from edge_rt.governor.knobs.clock_files import clock_targets
from edge_rt.governor.knobs.journal import Journal, JournalEntry
from edge_rt.governor.knobs.knob import Knob, KnobTarget, Value
from edge_rt.governor.knobs.turner import Turner, boot_id

left = 0


def step() -> None:
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)


class MortalKnob(Knob):
    def __init__(self, knob: Knob) -> None:
        self.name, self.lasting = knob.name, knob.lasting
        self._knob = knob
        self._written = False

    def read(self) -> Value:
        value = self._knob.read()
        if self._written:
            self._written = False
            step()
        return value

    def write(self, value: Value) -> None:
        step()
        self._knob.write(value)
        self._written = True
        step()

    def hidden(self) -> str | None:
        return self._knob.hidden()


class MortalJournal(Journal):
    def _write(self, entries: Sequence[JournalEntry]) -> None:
        step()
        super()._write(entries)
        step()


def live(root: Path, state: Path) -> None:

    def find(name: str) -> Knob | None:
        knob = by_name(name, root)
        return None if knob is None else MortalKnob(knob)

    journal = MortalJournal(state / "knobs.json")
    journal.hold()
    turner = Turner(journal, find, boot_id(root), lambda seconds: None)
    sysfs = root / "sys"
    targets = clock_targets(sysfs, 1.2e9)
    turner.restore()
    for target in targets:
        turner.turn(KnobTarget(MortalKnob(target.knob), target.value))
    assert all(outcome.state == "turned" for outcome in turner.outcomes), turner.outcomes
    turner.restore()
    assert all(outcome.state == "restored" for outcome in turner.outcomes), turner.outcomes


def main(root: Path, state: Path) -> None:
    global left
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            left = int(line)
            try:
                live(root, state)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
