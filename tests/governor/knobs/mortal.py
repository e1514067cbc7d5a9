"""Turns every file knob below a root and puts it back, and kills itself at a step: a program.

Arguments: the root, the folder of the journal, the number of the step to die at. A step is each
moment before or after a file is written or read back, the journal's or a knob's.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_rt.governor.knobs.board_knobs import by_name
from edge_rt.governor.knobs.clock_files import clock_targets
from edge_rt.governor.knobs.fan import fan_targets
from edge_rt.governor.knobs.journal import Journal, JournalEntry
from edge_rt.governor.knobs.knob import Knob, KnobTarget, Value, rapl_targets
from edge_rt.governor.knobs.programs import Programs
from edge_rt.governor.knobs.turner import Turner, boot_id

left = int(sys.argv[3])


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


def main() -> None:
    root = Path(sys.argv[1])

    def find(name: str) -> Knob | None:
        knob = by_name(name, root, Programs())
        return None if knob is None else MortalKnob(knob)

    journal = MortalJournal(Path(sys.argv[2]) / "knobs.json")
    journal.hold()
    turner = Turner(journal, find, boot_id(root), lambda seconds: None)
    sysfs = root / "sys"
    targets = clock_targets(sysfs, 1.2e9) + fan_targets(sysfs, 0.8) + rapl_targets(sysfs, 10.0)
    turner.restore()
    for target in targets:
        turner.turn(KnobTarget(MortalKnob(target.knob), target.value))
    assert all(outcome.state == "turned" for outcome in turner.outcomes), turner.outcomes
    turner.restore()
    assert all(outcome.state == "restored" for outcome in turner.outcomes), turner.outcomes


if __name__ == "__main__":
    main()
