"""What all knobs have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge_rt.core.errors import EdgeError

Value = int | str | list[int]


class KnobError(EdgeError, OSError):
    """A knob cannot be read or turned; the message names it and what to do."""


class KnobGone(KnobError):
    """What the knob belonged to is gone, such as a device that was removed."""


class ProcessEnded(KnobGone):
    """The process whose knob it was has ended, and its setting with it: nobody misses that."""


class KnobBusy(KnobError):
    """The knob cannot be turned now, but later."""


class Knob(Protocol):
    """One setting. Every method raises KnobError; KnobGone where there is nothing any more."""

    @property
    def name(self) -> str:
        """What the journal calls it: the path of its file, or whatever else finds it again."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether the setting outlives a restart of the board."""
        ...

    def read(self) -> Value:
        """What it stands at now."""
        ...

    def write(self, value: Value) -> None:
        """Set it; what came of that is for `read` to say."""
        ...

    def hidden(self) -> str | None:
        """Why `read` does not tell what was set last, such as throttling; None: it does."""
        ...


@dataclass(frozen=True)
class Wish:
    """A knob and what it shall stand at."""

    knob: Knob
    value: Value
