"""What was at work and what was read of it, look by look; readings are late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edge_rt.governor.setting import Load

_MOST = 60  # looks that are remembered
_TINY_S = 1e-6


@dataclass
class Look:
    """One look: its length, the load, and the watts that were read in it; None: nothing new was.

    `weights` are those of the load in the model of the power, and `value_w` its watts by it.
    """

    dt_s: float
    load: Load
    power_w: float | None
    weights: dict[int, float]
    span_s: float = 0.0  # that the reading covers
    value_w: float = 0.0
    error_w: float = 0.0  # of the reading: what the model leaves unexplained
    doubt_w2: float = 0.0  # variance that the lag's error gives to it
    local_w: float = 0.0  # of that, what is believed to be true
    jump_w: float = 0.0  # by which that changed all at once here
    learnt: bool = False
    shown: list[float] = field(default_factory=list[float])  # by the lags that are tried out


class Timeline:
    """The last looks, the newest last."""

    def __init__(self) -> None:
        self.looks: list[Look] = []

    def add(self, look: Look) -> None:
        """Take one; the oldest is forgotten."""
        self.looks.append(look)
        if len(self.looks) > _MOST:
            del self.looks[0]

    def parts(self, index: int, lag_s: float) -> list[tuple[float, Look]]:
        """What a reading of the look `index` shows when it is late by `lag_s`: shares of looks.

        Empty where that was before the first one.
        """
        found: list[tuple[float, Look]] = []
        left_s, skip_s = self.looks[index].span_s, lag_s
        for look in reversed(self.looks[: index + 1]):
            part_s = min(look.dt_s - skip_s, left_s)
            skip_s = max(0.0, skip_s - look.dt_s)
            if part_s > _TINY_S:
                found.append((part_s, look))
                left_s -= part_s
            if left_s <= _TINY_S:
                break
        seconds = sum([part_s for part_s, _ in found])
        return [(part_s / seconds, look) for part_s, look in found]

    def spread(self, behind_s: float, reading: float) -> Iterator[Look]:
        """Give a pass that has just ended its place in the looks before the newest one.

        It had lasted for `behind_s` before the newest began, and `reading` is its share of
        prompts. Yields the looks whose load has changed.
        """
        for look in reversed(self.looks[:-1]):
            if behind_s <= _TINY_S:
                return
            load, part_s = look.load, min(behind_s, look.dt_s)
            behind_s -= look.dt_s
            busy = load.busy
            if load.setting.gpu is not None:  # nothing else tells of a pass under way there
                busy = min(1.0, busy + part_s / look.dt_s)
            share = part_s / look.dt_s
            look.load = replace(
                load, busy=busy, reading=load.reading + share * (reading - load.reading)
            )
            yield look
