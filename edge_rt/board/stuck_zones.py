"""Finds temperature zones of one chip whose value is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_BLOCK_S = 30.0  # length of the means that are compared
_MOVED_K = 8.0  # between two blocks: another zone has moved
_FAR_K = 30.0  # hotter than every other zone of the chip
_PLACEHOLDERS_C = frozenset((100.0, 125.0, 127.0, 128.0, 150.0))  # where there is no sensor

_Means = list["float | None"]


@dataclass
class _Run:
    """Equal readings of one zone: `value` since `began_s`.

    `first`: the zone has never had another value. `means` are those of all zones over the first
    whole block since `began_s`.
    """

    value: float
    began_s: float
    first: bool
    means: _Means | None = None
    stuck: bool = False


class StuckZones:
    """Watches the zones of one chip; `reasons` holds the zones that are stuck.

    A zone is stuck when it stays the same to the last digit while the mean of another zone over
    half a minute moves by 8 K. Means are compared, so that neither bursts nor garbled readings
    count as a move. A zone is stuck too when its only value so far is a round figure which stands
    for no reading, 30 K above all others. A zone counts again as soon as its value changes.
    """

    def __init__(self, count: int) -> None:
        """For `count` zones, known by their numbers."""
        self.reasons: dict[int, str] = {}  # by zone; replaced whole, so other threads may read it
        self._runs: list[_Run | None] = [None] * count
        self._values: _Means = [None] * count
        self._block_s: float | None = None  # the time at which the present block began
        self._sums, self._counts = [0.0] * count, [0] * count

    def take(self, time_s: float, zones: Sequence[tuple[int, float | None]]) -> None:
        """The values of some zones, None where missing, at `time_s`."""
        if self._block_s is None or not 0.0 <= time_s - self._block_s < _BLOCK_S:
            self._end_block(time_s)
        for zone, value in zones:
            self._values[zone] = value
            if value is not None:
                self._sums[zone] += value
                self._counts[zone] += 1
                self._follow(time_s, zone, value)
        pairs = ((zone, self._reason(zone, run)) for zone, run in enumerate(self._runs) if run)
        self.reasons = {zone: reason for zone, reason in pairs if reason}

    def _follow(self, time_s: float, zone: int, value: float) -> None:
        run = self._runs[zone]
        if run is None or run.value != value:
            self._runs[zone] = _Run(value, time_s, first=run is None)

    def _end_block(self, time_s: float) -> None:
        """Compare the block that is over with the first block of each zone's present value."""
        pairs = zip(self._sums, self._counts, strict=True)
        means = [total / count if count else None for total, count in pairs]
        for zone, run in enumerate(self._runs):
            if run is None or self._block_s is None or run.began_s > self._block_s:
                continue
            if run.means is None:
                run.means = means
            elif not run.stuck:
                run.stuck = _moved(zone, run.means, means)
        size = len(self._sums)
        self._block_s, self._sums, self._counts = time_s, [0.0] * size, [0] * size

    def _reason(self, zone: int, run: _Run) -> str:
        if run.stuck:
            return f"{run.value:g} °C to the last digit while others moved by 8 K"
        if run.first and run.value in _PLACEHOLDERS_C and self._far(zone, run.value):
            return f"{run.value:g} °C and nothing else yet, 30 K above all others"
        return ""

    def _far(self, zone: int, value: float) -> bool:
        others = [c for other, c in enumerate(self._values) if other != zone and c is not None]
        return bool(others) and value - max(others) >= _FAR_K


def _moved(zone: int, before: _Means, after: _Means) -> bool:
    """Whether another zone than `zone` has moved far."""
    return any(
        other != zone and then is not None and now is not None and abs(now - then) >= _MOVED_K
        for other, (then, now) in enumerate(zip(before, after, strict=True))
    )
