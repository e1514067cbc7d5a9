"""The state of one reader."""

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
