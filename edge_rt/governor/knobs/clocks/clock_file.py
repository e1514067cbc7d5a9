"""A file that caps a clock, and the caps that may be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.sysfs import first_integer, first_line, numbered, open_regular
from edge_rt.governor.knobs.files import FileKnob

_CHOICES = 10  # clocks to choose from where the kernel lists none
_GRID_HZ = 1e8  # these are rounded down to multiples of it


@dataclass(frozen=True)
class ClockFile:
    """A file that caps a clock, with the clocks that the kernel lists, in the file's own unit."""

    knob: FileKnob
    unit_hz: float
    low: int  # the least cap
    listed: tuple[int, ...]  # clocks that the hardware has; empty: the kernel lists none

    def choices(self, top: int) -> tuple[int, ...]:
        """The caps from `low` to `top`, both included, in ascending order."""
        low = min(self.low, top)
        between = self.listed or self._spread(low, top)
        return tuple(sorted({low, top, *(value for value in between if low <= value <= top)}))

    def _spread(self, low: int, top: int) -> tuple[int, ...]:
        grid = round(_GRID_HZ / self.unit_hz)
        steps = (low + (top - low) * step // (_CHOICES - 1) for step in range(_CHOICES))
        return tuple(value // grid * grid for value in steps)


def listed(path: Path) -> tuple[int, ...]:
    """The numbers in a file such as scaling_available_frequencies; none where it is missing."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            return tuple(int(word) for word in file.read(4096).split() if word.isdigit())
    except OSError:
        return ()


def throttle(thermal: Path, kinds: tuple[str, ...]) -> str | None:
    """Why a clock is held down: a cooling device whose type begins with one of `kinds` is on."""
    for folder in numbered(thermal, "cooling_device*"):
        kind = first_line(folder / "type") or ""
        if kind.startswith(kinds) and first_integer(folder / "cur_state"):
            return f"the kernel throttles the clock ({folder.name}, {kind})"
    return None
