"""Which thread count and duty give the most tokens a second within the watts at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_rt.governor.bounds import Bounds
from edge_rt.governor.power import PowerModel

_BETTER = 1.03  # how much faster another thread count must be to be taken
_LEAST = 0.02  # duty below which nothing is paced any more
_TIE = 0.005


@dataclass(frozen=True)
class Choice:
    """A setting, and what it gives: `speed` in the units of the speed model, `power_w` at work."""

    threads: int
    duty: float
    speed: float
    power_w: float


def options(
    most: int,
    power: PowerModel,
    speed_of: Callable[[int], float],
    bounds: Bounds,
    peak_w: float | None,
    intensity: float = 1.0,
    least: int = 1,
) -> list[Choice]:
    """One setting for each thread count from `least` to `most`, as busy as `bounds` allow.

    Counts that would draw more than `peak_w` within a pass are left out, but the lowest never.
    """
    found: list[Choice] = []
    for threads in range(least, most + 1):
        if peak_w is not None and found and power.power_w(threads, 1.0) > peak_w:
            break
        share = _share(threads, power, bounds, intensity)
        duty = min(1.0, max(_LEAST, share))
        speed = min(1.0, max(0.0, share)) * speed_of(threads)
        found.append(Choice(threads, duty, speed, power.power_w(threads, duty * intensity)))
    return found


def _share(threads: int, power: PowerModel, bounds: Bounds, intensity: float) -> float:
    aim_w, whole_w = bounds.aim_w, bounds.whole_w
    if aim_w is None or whole_w is None or power.power_w(threads, 1.0) <= whole_w:
        return 1.0
    return power.utilisation(threads, aim_w) / intensity


def busy_with(threads: int, power: PowerModel, aim_w: float, intensity: float) -> float:
    """The duty that brings the board to `aim_w`, if there is one."""
    return min(1.0, max(_LEAST, power.utilisation(threads, aim_w) / intensity))


def choose(found: Sequence[Choice], threads: int) -> Choice:
    """The fastest of `found`; of equals the one that draws least.

    The present count `threads` is kept unless another is clearly better.
    """
    top = max(choice.speed for choice in found)
    best = min(
        (c for c in found if c.speed >= top * (1.0 - _TIE)), key=lambda c: (c.power_w, c.threads)
    )
    kept = next((choice for choice in found if choice.threads == threads), None)
    if kept is None or best.speed > _BETTER * kept.speed:
        return best
    saves = best.speed >= kept.speed * (1.0 - _TIE) and best.power_w < 0.97 * kept.power_w
    return best if saves else kept
