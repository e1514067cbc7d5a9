"""Loads and readings of the last looks; a reading shows earlier looks, by the sensor's lag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edge_rt.governor.speed.setting import Load

_MOST = 60  # looks that are kept
_TINY_S = 1e-6


@dataclass
class Look:
    """One look: its length, its load, and the watts that were read in it; None: no new reading.

    `weights` are those of the load in the power model, and `value_w` are the model's watts.
    """

    dt_s: float
    load: Load
    power_w: float | None
    weights: dict[int, float]
    span_s: float = 0.0  # seconds that the reading covers
    value_w: float = 0.0
    error_w: float = 0.0  # reading less model
    doubt_w2: float = 0.0  # variance of `error_w` beyond the noise
    local_w: float = 0.0  # `error_w` without noise
    jump_w: float = 0.0  # step of `local_w` here
    learnt: bool = False
    shown: list[float] = field(default_factory=list[float])  # model's watts by each lag tried


class Timeline:
    """The last looks, the newest last."""

    def __init__(self) -> None:
        self.looks: list[Look] = []

    def add(self, look: Look) -> None:
        """Append a look; the oldest is forgotten."""
        self.looks.append(look)
        if len(self.looks) > _MOST:
            del self.looks[0]

    def parts(self, index: int, lag_s: float) -> list[tuple[float, Look]]:
        """The looks that the reading of look `index` shows, with shares, if it is `lag_s` late.

        Empty if that was before the first look.
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

    def spread(self, behind_s: float, prompt_share: float) -> Iterator[Look]:
        """Spread a pass that has just ended over the looks before the newest one.

        `behind_s` is how long it had run before the newest look, and `prompt_share` its share of
        prompts. Yields the looks whose load has changed.
        """
        for look in reversed(self.looks[:-1]):
            if behind_s <= _TINY_S:
                return
            load, part_s = look.load, min(behind_s, look.dt_s)
            behind_s -= look.dt_s
            busy = load.busy
            if load.setting.gpu is not None:  # no processor time tells of a pass under way on a GPU
                busy = min(1.0, busy + part_s / look.dt_s)
            share = part_s / look.dt_s
            look.load = replace(
                load,
                busy=busy,
                prompt_share=load.prompt_share + share * (prompt_share - load.prompt_share),
            )
            yield look
