"""Reads every reader in its own time, and keeps values and energy."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from edge_rt.board.integral import Energy, Meter
from edge_rt.board.readers.base import BaseReader, Channel, Kind, Skipped, hung
from edge_rt.board.readers.clocks import GaugeReader
from edge_rt.board.track import ChannelReading, Track

log = logging.getLogger(__name__)

LOOK_S = 0.1  # between two looks at the reads under way
LATE = 2  # looks that have to find the same read before another thread reads the other readers
HUNG = 30  # before it is left out

Subscriber = Callable[[float, BaseReader, Sequence["float | None"]], None]


class BoardSampler:
    """Steps through the readers that are due; one thread steps, any thread may ask.

    No lock is held while a sensor is read, so asking never waits for hardware. A reader whose
    read takes long keeps its thread: `look` has another thread go on with the others.
    Channels are found by name and kind; where two readers give the same, the earlier's is meant.
    """

    def __init__(
        self,
        readers: Sequence[BaseReader],
        clock: Callable[[], float] = time.monotonic,
        gap_periods: float = 3.0,
    ) -> None:
        """`clock` is in seconds.

        A reader that was not read for `gap_periods` of its periods is overdue: its values are
        stale. Where reads take longer than the period, that counts in its place; see Track.pace_s.
        Its energy over that time is missing, but for up to GAP_LOW_S.
        """
        self._tracks = [Track(reader, gap_periods) for reader in readers]
        self._clock = clock
        self._lock = threading.Lock()
        self._telling = threading.Lock()  # subscribers hear of one read at a time
        self._stepper: threading.Thread | None = None  # None: it is in a read that is late
        self._subscribers: list[Subscriber] = []
        self._failing: list[Subscriber] = []  # logged once, not ten times a second
        self._places: dict[tuple[str, Kind], tuple[Track, int]] = {}
        self._meters: dict[str, Meter] = {}
        for track in self._tracks:
            for index, channel in enumerate(track.reader.channels):
                self._places.setdefault((channel.name, channel.kind), (track, index))
            for name, _, meter in track.meters:
                self._meters.setdefault(name, meter)

    @property
    def readers(self) -> tuple[BaseReader, ...]:
        """What is read, in the order given."""
        return tuple(track.reader for track in self._tracks)

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(c for track in self._tracks for c in track.reader.channels)

    def due(self, now_s: float) -> float:
        """Return seconds from `now_s` until the next reader is due; 0 where one is."""
        due_s = (track.due_s for track in self._tracks if track.idle)
        return max(0.0, min(due_s, default=now_s + 1.0) - now_s)

    @property
    def blocked(self) -> list[Skipped]:
        """The readers and channels that do not answer; they are read again once they do."""
        readers = [track.blocked for track in self._tracks if track.blocked is not None]
        with self._lock:
            return readers + [one for track in self._tracks for one in track.silent.values()]

    @property
    def late(self) -> bool:
        """Whether a read that is not left out takes so long that another thread steps."""
        return any(track.thread and track.looks >= LATE for track in self._tracks)

    def awaited(self, looks: int = HUNG) -> threading.Thread | None:
        """Return the thread of a read that fewer than `looks` looks have found, None: no read."""
        with self._lock:
            return next((t.thread for t in self._tracks if t.thread and t.looks < looks), None)

    def look(self) -> bool:
        """Look for reads that are late, LOOK_S after the last look.

        A read that HUNG looks have found is left out: only its channel where the reader can read
        the others without it, else the whole reader. Returns whether the stepping thread is in a
        read that LATE looks have found: another thread then has to call `step`.
        """
        with self._lock:
            reads = [track for track in self._tracks if track.thread is not None]
            for track in reads:
                track.looks += 1
            late = any(t.thread is self._stepper and t.looks >= LATE for t in reads)
            if late:
                self._stepper = None
            left_out = [_leave_out(track) for track in reads if track.looks >= HUNG]
        for told in left_out:
            log.warning("sensor %s is left out: %s", told.name, told.reason)
        return late

    def hurry(self, readers: Collection[BaseReader], at_s: float) -> None:
        """Make `readers` due at `at_s` where they are due later; their beat begins again there."""
        with self._lock:
            for track in self._tracks:
                if track.reader in readers:
                    track.due_s = min(track.due_s, at_s)

    def step(self, now_s: float) -> int:
        """Read the readers that are due at `now_s`; gives how many those were.

        Ends early where a read was late: another thread steps now.
        """
        count, self._stepper = 0, threading.current_thread()
        for track in self._tracks:
            if self._begin(track, now_s):
                count += self._read(track)
                if self._stepper is not threading.current_thread():
                    break
        return count

    def pace_s(self, reader: BaseReader) -> float:
        """Return seconds between two reads of `reader` as they come; see Track."""
        with self._lock:
            return next(track.pace_s for track in self._tracks if track.reader is reader)

    def owner(self, name: str, kind: Kind) -> tuple[BaseReader, Channel]:
        """Return a channel and its reader; KeyError where there is no such channel."""
        track, index = self._places[name, kind]
        return track.reader, track.reader.channels[index]

    def reading(self, name: str, kind: Kind) -> ChannelReading | None:
        """Return one channel as it stands; None where there is no such channel."""
        place = self._places.get((name, kind))
        if place is None:
            return None
        with self._lock:
            return place[0].reading(place[1], self._clock())

    def readings(self) -> list[ChannelReading]:
        """Return every channel as it stands, in the order of `channels`."""
        now_s = self._clock()
        with self._lock:
            return [
                track.reading(index, now_s)
                for track in self._tracks
                for index in range(len(track.reader.channels))
            ]

    def by_reader(self) -> list[tuple[str, ChannelReading]]:
        """Return every channel as it stands, each behind the name of its reader."""
        names = [reader.name for reader in self.readers for _ in reader.channels]
        return list(zip(names, self.readings(), strict=True))

    def values(self, kind: Kind, *readers: str) -> dict[str, float]:
        """Return the values of that kind that readers of these names have now, by channel."""
        now_s, tracks = self._clock(), [t for t in self._tracks if t.reader.name in readers]
        with self._lock:
            found = [
                track.reading(index, now_s)
                for track in tracks
                for index, channel in enumerate(track.reader.channels)
                if channel.kind == kind
            ]
        return {one.channel.name: one.value for one in found if one.value is not None}

    def energies(self) -> dict[str, Energy]:
        """Return the energy of each channel of power since it was first read, by name.

        Names overlap as rails do: parts of another rail are in here beside the whole.
        """
        with self._lock:
            return {name: meter.total() for name, meter in self._meters.items()}

    def metered(self, names: Iterable[str]) -> list[Energy]:
        """Return the energy so far of these channels of power, all of one moment.

        KeyError for others.
        """
        meters = [self._meters[name] for name in names]
        with self._lock:
            return [meter.total() for meter in meters]

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber(time_s, reader, values)` after each read.

        The reading thread calls it, one call at a time, and `values` (None where missing) are used
        again by the next read. What it raises is logged, the first time, and stops no sampler.
        """
        self._subscribers.append(subscriber)

    def close(self) -> None:
        """Close the files and buses of every reader that nobody waits for."""
        for track in self._tracks:
            if track.idle:
                track.reader.close()

    def _begin(self, track: Track, now_s: float) -> bool:
        """Return whether `track` is due.

        Its next beat is set here, so that a hurry in a read counts.
        """
        with self._lock:
            due = track.due_s <= now_s and track.idle
            if due:
                track.plan(now_s)
                track.thread, track.looks = threading.current_thread(), 0
        return due

    def _read(self, track: Track) -> bool:
        """Read a track; False if its reader was left out meanwhile, and its values are too old."""
        begin_s = self._clock()
        values = track.reader.read()
        end_s = self._clock()
        time_s = 0.5 * (begin_s + end_s)
        with self._lock:
            me = threading.current_thread()
            if track.thread is not me:
                told = track.silent.pop(me, track.blocked)
                track.blocked = None
                log.info("sensor %s answers again", told and told.name)
                return False
            track.thread = None
            track.record(time_s, values, end_s - begin_s)
        self._tell(time_s, track.reader, values)
        return True

    def _tell(self, time_s: float, reader: BaseReader, values: Sequence[float | None]) -> None:
        with self._telling:
            for subscriber in self._subscribers:
                try:
                    subscriber(time_s, reader, values)
                except Exception:
                    if subscriber not in self._failing:
                        self._failing.append(subscriber)
                        log.exception("a subscriber to the sensors failed")


def _leave_out(track: Track) -> Skipped:
    """Read the track without what its thread hangs in, which is returned."""
    thread, track.thread = track.thread, None
    assert thread is not None
    told = hung(track.reader.name, thread, track.reader.channels)
    reader = track.reader
    channel = reader.pass_over(told.reason) if isinstance(reader, GaugeReader) else None
    if channel is None:
        track.blocked = told
    else:
        told = replace(told, name=channel.name)
        track.silent[thread], track.due_s = told, -math.inf
    return told
