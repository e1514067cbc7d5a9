"""The power mode of a Jetson, by its name.

Numbers of modes differ by board and release, so a number is looked up each time and never kept.
The name of a mode is no promise of watts: a mode is a set of caps on clocks and cores.
"""

from __future__ import annotations

import re
from pathlib import Path

from edge_rt.governor.knobs.knob import KnobError, Value
from edge_rt.governor.knobs.programs import Answer, Program

_MODE = re.compile(r"^[^#\n]*\bPOWER_MODEL:?\s+ID=(\d+)\s+NAME=([^\s>]+)", re.MULTILINE)
_NOW = re.compile(r"NV Power Mode:\s*(\S+)")


class PowerMode:
    """What nvpmodel is set to; the board comes up with it again."""

    name = "nvpmodel"
    lasting = True

    def __init__(self, program: Program, table: Path = Path("/etc/nvpmodel.conf")) -> None:
        self._program = program
        self._table = table

    def read(self) -> str:
        """The name of the mode that is on."""
        answer = self._program(["-q"], "")
        match = _NOW.search(answer.text)
        if match is None:
            raise KnobError(f"nvpmodel -q tells no mode: {answer.last_words}")
        return match[1]

    def write(self, value: Value) -> None:
        """Switch to the mode named `value`, unless that takes a restart of the board."""
        number = self.number(value)
        # It may ask whether to restart the board now: that is never for this program to decide.
        answer = self._program(["-m", number], "no\n")
        now = self.read()
        if now != value:
            raise KnobError(_refusal(str(value), number, now, answer))

    def hidden(self) -> str | None:
        """What was set is what nvpmodel tells."""
        return None

    def number(self, mode: Value) -> str:
        """The number of the mode named `mode`; raises KnobError where there is no such mode."""
        numbers = self._numbers()
        if not isinstance(mode, str) or mode not in numbers:
            known = ", ".join(numbers) or "none that could be found out"
            raise KnobError(f"nvpmodel has no mode named {mode!r}; it has {known}")
        return numbers[mode]

    def _numbers(self) -> dict[str, str]:
        try:
            text = self._table.read_text(errors="replace")
        except OSError:
            text = ""
        found = _MODE.findall(text) or _MODE.findall(self._program(["-p", "--verbose"], "").text)
        return {name: number for number, name in found}


def _refusal(mode: str, number: str, now: str, answer: Answer) -> str:
    if "reboot" in answer.text.lower():
        return (
            f"nvpmodel stays in {now}: {mode} takes a restart of the board, which is yours to "
            f"decide: run nvpmodel -m {number} and answer yes, then start the daemon again"
        )
    return f"nvpmodel stays in {now}, not {mode}: {answer.last_words}"
