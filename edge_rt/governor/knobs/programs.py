"""Programs of the board's maker: power modes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_rt.core.reports.finding import Finding, note, ok
from edge_rt.governor.knobs.knob import Knob, KnobError, Value

_LONGEST_S = 30.0
_ADMIN = "/usr/sbin:/sbin"  # not in everybody's PATH
_MODE = re.compile(r"^[^#\n]*\bPOWER_MODEL:?\s+ID=(\d+)\s+NAME=([^\s>]+)", re.MULTILINE)
_NOW = re.compile(r"NV Power Mode:\s*(\S+)")
_STATUS = re.compile(r"pmode:(\d+)")  # of /var/lib/nvpmodel/status


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended and all that it printed."""

    code: int
    text: str

    @property
    def last_words(self) -> str:
        """The last lines, in one, for a message."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return "; ".join(lines[-3:]) or f"exit {self.code} and no word"


Program = Callable[[Sequence[str], str], ProgramResult]
"""Runs with arguments and what stands on its standard input; raises KnobError."""


def installed_nvpmodel(root: Path = Path("/"), folders: str | None = None) -> Program | None:
    """Return the nvpmodel in `folders`, parted by colons, None: in those of this machine.

    None where it is not installed, and for a simulated board, whose `root` is another.
    """
    folders = folders or f"{os.environ.get('PATH', os.defpath)}:{_ADMIN}"
    path = shutil.which("nvpmodel", path=folders) if root == Path("/") else None
    return None if path is None else lambda arguments, said: _run(path, arguments, said)


def _run(path: str, arguments: Sequence[str], said: str) -> ProgramResult:
    command = [path, *arguments]
    try:
        done = subprocess.run(
            command,
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
            start_new_session=True,  # no terminal to ask at, and no share in our Ctrl-C
        )
    except subprocess.TimeoutExpired:
        raise KnobError(f"{' '.join(command)} did not end in {_LONGEST_S:g} s") from None
    except OSError as error:
        raise KnobError(f"{' '.join(command)}: {error.strerror or error}") from error
    return ProgramResult(done.returncode, done.stdout)


class NvpMode(Knob):
    """The mode that nvpmodel has set, which outlives a restart of the board.

    The numbers of modes differ by board and release, so a number is looked up each time. A mode is
    a set of caps on clocks and cores: its name is no promise of watts.
    """

    name = "nvpmodel"
    lasting = True

    def __init__(self, program: Program, table: Path = Path("/etc/nvpmodel.conf")) -> None:
        self._program = program
        self._table = table

    def read(self) -> str:
        """Return the name of the mode that is on."""
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

    @property
    def names(self) -> list[str]:
        """The names of all modes."""
        return [*self._numbers()]

    def number(self, mode: Value) -> str:
        """Return the number of the mode named `mode`.

        Raises KnobError where there is no such mode.
        """
        numbers = self._numbers()
        if not isinstance(mode, str) or mode not in numbers:
            known = ", ".join(numbers) or "none that could be found out"
            raise KnobError(f"nvpmodel has no mode named {mode!r}; it has {known}")
        return numbers[mode]

    def _numbers(self) -> dict[str, str]:
        found = _MODE.findall(_text(self._table)) or _MODE.findall(
            self._program(["-p", "--verbose"], "").text
        )
        return {name: number for number, name in found}


def present_mode(root: Path) -> str | None:
    """Return the name of the power mode in the files below `root`; None: they name none."""
    found = _STATUS.search(_text(root / "var/lib/nvpmodel/status"))
    return _names(root).get(int(found[1])) if found else None


def diagnose_mode(root: Path) -> Iterator[Finding]:
    """Yield the power mode of the Jetson whose files lie below `root`; nothing of other boards."""
    names = _names(root)
    if not names:
        return
    found = _STATUS.search(_text(root / "var/lib/nvpmodel/status"))
    if found is None:
        what = f"not told by any file; there are {', '.join(names.values())}"
        yield note("power mode", what, "sudo nvpmodel -q")
        return
    name = names.get(int(found[1]), "unknown")
    yield ok("power mode", f"{name} (nvpmodel's number {int(found[1])})")


def _names(root: Path) -> dict[int, str]:
    """Return the names of the power modes by their numbers."""
    return {int(number): name for number, name in _MODE.findall(_text(root / "etc/nvpmodel.conf"))}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _refusal(mode: str, number: str, now: str, answer: ProgramResult) -> str:
    if "reboot" in answer.text.lower():
        return (
            f"nvpmodel stays in {now}: {mode} takes a restart of the board, which is yours to "
            f"decide: run nvpmodel -m {number} and answer yes, then start the daemon again"
        )
    return f"nvpmodel stays in {now}, not {mode}: {answer.last_words}"
