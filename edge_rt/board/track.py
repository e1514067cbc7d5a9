"""The state of one reader, and thermal zones that are stuck."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from edge_rt.board.integral import CounterMeter, Integral, Meter
from edge_rt.board.readers.base import BaseReader, Channel, Skipped

UNREAD = "not read yet"
PACE_HIGH_S = 1.0  # a slower reader leaves gaps: what lies between its reads would be guessed
# Readings of power so far apart are integrated, however fast the reader: as good as a sensor that
# is read once a second, and a busy machine often reads late by tenths of a second.
GAP_LOW_S = 1.0
_BLOCK_S = 30.0  # length of the means that are compared
_MOVED_K = 8.0  # between two blocks: another zone has moved
_FAR_K = 30.0  # hotter than every other zone of the chip
_PLACEHOLDERS_C = frozenset((100.0, 125.0, 127.0, 128.0, 150.0))  # where there is no sensor


@dataclass(frozen=True)
class ChannelReading:
    """A channel as it stands.

    `value` is None where there is no current one, and `error` says why. `last` is the last good
    value and `time_s` when it was read, both None where there never was one.
    """

    channel: Channel
    value: float | None
    last: float | None
    time_s: float | None
    error: str | None


class Track:
    """One reader, when it is due, and what came of it."""

    def __init__(self, reader: BaseReader, gap_periods: float) -> None:
        size = len(reader.channels)
        self.reader = reader
        self.due_s = -math.inf
        self._gap_periods = gap_periods
        self._durations = deque[float](maxlen=2)  # of the last reads
        self._intervals = deque[float](maxlen=5)  # between them
        self.meters = _meters(reader.channels, self.energy_gap_s)
        self.thread: threading.Thread | None = None  # that reads it now
        self.looks = 0  # that have found this read
        self.blocked: Skipped | None = None  # where its read does not return
        # Channels whose read does not return, by the thread that waits in that read.
        self.silent: dict[threading.Thread, Skipped] = {}
        self._read_s: float | None = None
        self._last: list[float | None] = [None] * size
        self._last_s: list[float] = [0.0] * size
        self._errors: list[str | None] = [None] * size

    @property
    def idle(self) -> bool:
        """Whether no read of the whole reader is under way."""
        return self.thread is None and self.blocked is None

    @property
    def pace_s(self) -> float:
        """Seconds between two reads as they come.

        These are the period, unless the last reads took longer, or waited for slower readers. One
        alone that took longer does not count.
        """
        own_s = min(self._durations) if len(self._durations) == 2 else 0.0
        waited_s = median_low(self._intervals) if len(self._intervals) > 2 else 0.0
        return max(self.reader.period_s, min(PACE_HIGH_S, max(own_s, waited_s)))

    @property
    def gap_s(self) -> float:
        """Seconds after which the reader is overdue."""
        return self._gap_periods * self.pace_s

    @property
    def energy_gap_s(self) -> float:
        """Seconds between two readings after which the energy between them is missing."""
        return max(GAP_LOW_S, self.gap_s)

    def record(
        self, time_s: float, values: Sequence[float | None], duration_s: float = 0.0
    ) -> None:
        """Keep what the reader gave at `time_s`, in the middle of a read of `duration_s`."""
        self._durations.append(duration_s)
        if self._read_s is not None:
            self._intervals.append(time_s - self._read_s)
        self._read_s = time_s
        errors = self.reader.errors
        last, last_s, kept = self._last, self._last_s, self._errors
        for index, value in enumerate(values):
            kept[index] = errors[index]
            if value is not None:
                last[index] = value
                last_s[index] = time_s
        gap_s = self.energy_gap_s
        for _, source, meter in self.meters:
            if isinstance(meter, Integral):
                meter.gap_s = gap_s
            meter.add(time_s, values[source])

    def plan(self, now_s: float) -> None:
        """Set when the reader is due next: on its beat, leaving out beats that were missed."""
        beat = self.due_s + self.reader.period_s
        self.due_s = beat if beat > now_s else now_s + self.reader.period_s

    def reading(self, index: int, now_s: float) -> ChannelReading:
        """Return one channel as it stands at `now_s`."""
        channel, last = self.reader.channels[index], self._last[index]
        time_s = None if last is None else self._last_s[index]
        blocked = self.blocked and self.blocked.reason
        error = blocked or self._overdue(now_s) or self._errors[index]
        value = last if error is None and time_s == self._read_s else None
        return ChannelReading(channel, value, last, time_s, error)

    def _overdue(self, now_s: float) -> str | None:
        if self._read_s is None:
            return UNREAD
        age = now_s - self._read_s
        return f"not read for {age:.1f} s" if age > self.gap_s else None


def _meters(channels: Sequence[Channel], gap_s: float) -> list[tuple[str, int, Meter]]:
    """Name, index of the channel that is metered, and meter: for each channel of power.

    A reader that has a counter of the same name is metered by it.
    """
    counters = {c.name: i for i, c in enumerate(channels) if c.kind == "energy_j"}
    meters: list[tuple[str, int, Meter]] = []
    for index, channel in enumerate(channels):
        if channel.kind == "power_w":
            counter = counters.get(channel.name)
            meter = Integral(gap_s) if counter is None else CounterMeter()
            meters.append((channel.name, index if counter is None else counter, meter))
    return meters


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
        """Take the values of some zones, None where missing, at `time_s`."""
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
    """Return whether another zone than `zone` has moved far."""
    return any(
        other != zone and then is not None and now is not None and abs(now - then) >= _MOVED_K
        for other, (then, now) in enumerate(zip(before, after, strict=True))
    )
