"""One look at everything that the board can be read with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_rt.board.readers.base import Channel
from edge_rt.board.readers.bounds import IMPOSSIBLE
from edge_rt.board.sampler import Sampler
from edge_rt.board.sampler_thread import step_all

SETTLE_S = 0.2  # what is measured over a window needs two reads


@dataclass(frozen=True)
class Reading:
    """One channel's value, or why there is none."""

    reader: str
    channel: Channel
    value: float | None
    error: str | None

    @property
    def refused(self) -> bool:
        """Whether it is a matter of rights."""
        text = self.error or ""
        return any(word in text for word in ("EACCES", "EPERM", "only be read by root"))

    @property
    def impossible(self) -> bool:
        """Whether its value is refused as impossible; a part that is off has no value."""
        text = self.error or ""
        return IMPOSSIBLE in text and " holds " not in text


def read_twice(sampler: Sampler, pause: Callable[[float], None]) -> None:
    """Have every channel read, and read again after SETTLE_S."""
    step_all(sampler, 0.0)
    pause(SETTLE_S)
    step_all(sampler, 3600.0)  # by when every reader is due, whatever its period


def several(rails: Sequence[str]) -> str:
    """Rails by name, or how many they are."""
    return ", ".join(rails) if len(rails) < 4 else f"{len(rails)} rails"


def rows(sampler: Sampler) -> list[Reading]:
    """Every channel as it stands."""
    names = [reader.name for reader in sampler.readers for _ in reader.channels]
    pairs = zip(names, sampler.readings(), strict=True)
    return [Reading(name, r.channel, r.value, r.error) for name, r in pairs]
