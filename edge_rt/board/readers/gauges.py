"""Readers whose every channel is one number in one file."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.base import BaseReader, Channel, Kind, Skipped
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile

TEMP_LOW_MC, TEMP_HIGH_MC = -100_000, 300_000  # a gated zone may read -256000, an unset one -274000


@dataclass(frozen=True)
class GaugeFile:
    """A file's number times `scale` is the channel; outside `low`..`high` it cannot be right."""

    channel: Channel
    path: Path
    scale: float
    low: int = 0
    high: int = 10**15


def gauge(
    name: str, kind: Kind, path: Path, scale: float, low: int = 0, high: int = 10**15
) -> GaugeFile:
    """A measured gauge whose source is its path."""
    return GaugeFile(Channel(name, kind, str(path)), path, scale, low, high)


def temperature(name: str, path: Path) -> GaugeFile:
    """A file in thousandths of °C."""
    return gauge(name, "temp_c", path, 1e-3, TEMP_LOW_MC, TEMP_HIGH_MC)


class GaugeReader(BaseReader):
    """Reads one number for each channel.

    A file whose read does not return takes no other with it: see `pass_over`.
    """

    def __init__(
        self,
        name: str,
        gauges: Sequence[GaugeFile],
        period_s: float,
        skipped: Sequence[Skipped] = (),
        io: FileIo = FILE_IO,
    ) -> None:
        super().__init__(name, [g.channel for g in gauges], period_s, skipped)
        self._gauges = [(HeldFile(g.path, io), g.scale, g.low, g.high) for g in gauges]
        self._lock = threading.Lock()
        self._at: int | None = None  # the gauge that is being read
        self._passed: set[int] = set()  # gauges whose read has not returned yet

    def close(self) -> None:
        """Close every file that nobody waits for."""
        for index, (file, *_) in enumerate(self._gauges):
            if index not in self._passed:
                file.close()

    def pass_over(self, why: str) -> Channel | None:
        """Leave out the file that is being read until it answers, so that another thread can read
        the others. Returns its channel, None where no file is being read; `why` tells people.
        """
        with self._lock:
            at, self._at = self._at, None
            if at is None:
                return None
            self._passed.add(at)
            self._fail(at, why)
            return self.channels[at]

    def _read(self) -> None:
        for index, (file, scale, low, high) in enumerate(self._gauges):
            with self._lock:
                if index in self._passed:
                    continue
                self._at = index
            raw = file.number(low, high)
            with self._lock:
                if index in self._passed:  # another thread reads the others by now
                    self._passed.discard(index)
                    return
                self._at = None
            if raw is None:
                self._fail(index, file.error or "")
            else:
                self._set(index, raw * scale)
