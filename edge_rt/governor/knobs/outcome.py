"""What became of a knob, for reports and the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

from edge_rt.governor.knobs.journal import Entry
from edge_rt.governor.knobs.knob import KnobBusy, KnobError, KnobGone, Value, Wish

log = logging.getLogger(__name__)

State = Literal["turned", "waiting", "failed", "moved", "restored", "gone"]
"""turned: as wished, or as near as the kernel let it. waiting: not possible now, but later.
failed: could not be turned, or not put back. moved: somebody else has set it since, and it is
left alone. restored: stands at its original. gone: there is no such knob any more.
"""

_LOUD = {"failed": logging.ERROR, "moved": logging.WARNING, "gone": logging.WARNING}


@dataclass(frozen=True)
class Outcome:
    """One knob, or a key of the configuration for which there is none.

    `said` is a sentence for people where it is not simply done. Values are in the knob's own unit.
    """

    knob: str
    state: State
    wanted: Value | None = None
    original: Value | None = None
    value: Value | None = None  # what it stood at when it was read last
    said: str | None = None

    @classmethod
    def of(
        cls, entry: Entry, state: State, value: Value | None, said: str | None = None
    ) -> Outcome:
        """What became of the knob of an entry."""
        return cls(entry.knob, state, entry.wanted, entry.original, value, said)

    @classmethod
    def refused(cls, wish: Wish, error: KnobError) -> Outcome:
        """A wish that could not be fulfilled."""
        state: State = "failed"
        if isinstance(error, KnobBusy):
            state = "waiting"
        elif isinstance(error, KnobGone):
            state = "gone"
        return cls(wish.knob.name, state, wish.value, said=str(error))

    def moved(self, now: Value) -> Outcome:
        """The same knob, which has been set to `now` by somebody else."""
        turned = "it was turned" if self.value is None else f"it was turned to {self.value}"
        said = f"somebody else has set it to {now} since {turned}: left alone"
        return replace(self, state="moved", value=now, said=said)

    def log(self) -> None:
        """Tell the log, the louder the worse."""
        steps = "" if self.value is None else f"{self.original} -> {self.value}"
        parts = [part for part in (self.state, steps, self.said) if part]
        log.log(_LOUD.get(self.state, logging.INFO), "knob %s: %s", self.knob, ": ".join(parts))
