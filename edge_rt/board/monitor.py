"""The board now: its profile, its readers, and the supply that is paid for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_rt.board.discovery import discover
from edge_rt.board.integral import Energy
from edge_rt.board.profile import BoardChoice, choose, roots, wanted
from edge_rt.board.readers.base import PATIENCE_S, BaseReader, hung
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.sampler_thread import SamplerThread, step_all
from edge_rt.board.snapshot import BoardSnapshot, nothing_yet, report
from edge_rt.board.supply import SupplyRails, find_supply
from edge_rt.config.paths import Paths
from edge_rt.config.schema import WallMeter
from edge_rt.core.reports.board import BoardReport

log = logging.getLogger(__name__)

BREATH_S = 0.02  # between two reads of the supply, however many answers end

FIRST = 10  # looks at a read for which the first look at the board waits, a second

SETTLE_S = 0.6  # after which every reader has been read twice


@dataclass(frozen=True)
class Metered:
    """The supply's meter at a time of the monotonic clock, and what it can resolve.

    Joules of other `rails`, or of another `quality`, come from another meter.
    """

    time_s: float
    energy: Energy
    resolution_s: float
    quality: Literal["measured", "modelled"]
    rails: tuple[str, ...]


Hear = Callable[[Metered], object]


def _unheard(meter: Metered) -> None:
    """Do nothing: the listener until there is one."""


class BoardMonitor:
    """Reads the board in a thread of its own from `open` to `close`.

    What cannot be read is looked for again by `reopen`: drivers and rights may come later than the
    daemon, and a device may come back in another place.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        board: str | None = None,
        paths: Paths | None = None,
        clock: Callable[[], float] = time.monotonic,
        meter: WallMeter | None = None,
    ) -> None:
        """`board` is the configured profile's id; `clock` is in seconds.

        `meter` corrects the power of the supply.
        """
        self._root = root
        self._named = board
        self._paths = paths or Paths.detect()
        self._clock, self._meter = clock, meter or WallMeter()
        here = root == Path("/")
        self._chosen = BoardChoice() if here else choose(board, root, self._paths)
        self._snapshot: BoardSnapshot | None = None
        self._thread: SamplerThread | None = None
        self._lock = threading.Lock()  # for whoever starts and stops it
        self._closed = False
        self._hear: Hear = _unheard
        self._read_s = float("-inf")  # when the supply was read last
        self._first: tuple[float, threading.Thread] | None = None  # the first look, and its start

    @property
    def snapshot(self) -> BoardSnapshot | None:
        """The outcome of the last good look at the board; None before the first."""
        return self._snapshot

    @property
    def simulated(self) -> str | None:
        """The id of the simulated board that is read; None: the board is this machine's own."""
        return None if self._root == Path("/") else self._chosen.id

    @property
    def gpu_simulated(self) -> bool:
        """Whether the board is a simulated one that has a GPU."""
        board = self._chosen.board
        return self._root != Path("/") and board is not None and board.gpu is not None

    @property
    def supply(self) -> SupplyRails | None:
        """The rails whose sum is the board's power; None where nothing tells it."""
        return self._snapshot.supply if self._snapshot else None

    @property
    def temp_c(self) -> float | None:
        """The hottest zone."""
        return self._snapshot.hottest_c if self._snapshot else None

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to look for."""
        return self._snapshot is not None and self._snapshot.complete(self._clock())

    def open(self, hear: Hear = _unheard) -> None:
        """Find what there is and begin to read. May take a good part of a second.

        `hear` gets the supply's meter after each read, in the reading thread.
        """
        self._hear = hear
        self._first = self._clock(), threading.current_thread()
        self._use(self._look())

    def reopen(self) -> bool:
        """Look again where something is not read; True when more, or better, can be read now.

        Does nothing while a thread still waits for a sensor: a second one would wait as well.
        """
        before = self._snapshot
        if before is None or self.complete or before.waiting:
            return False
        snapshot, now_s = self._look(), self._clock()
        if snapshot.worth(now_s) <= before.worth(now_s) and before.answered:
            snapshot.sampler.close()
            return False
        return self._use(snapshot)

    def close(self) -> None:
        """Stop reading for good, also where a look still goes on."""
        with self._lock:
            self._closed = True
            self._stop()

    def hurry(self) -> None:
        """Read the supply as soon as possible, since an answer has ended."""
        supply, thread = self.supply, self._thread
        if thread is not None and supply is not None:
            thread.hurry(supply.readers, max(self._clock(), self._read_s + BREATH_S))

    def report(self, idle_w: float | None = None) -> BoardReport:
        """Return the board's report, reading nothing; `idle_w` is what the supply draws at rest."""
        snapshot = self._snapshot
        if snapshot is None:
            begin_s, thread = self._first or (self._clock(), threading.current_thread())
            late = self._clock() - begin_s >= PATIENCE_S
            return nothing_yet(self._root, {"board": hung("board", thread).reason} if late else {})
        return report(snapshot, self._clock(), idle_w)

    def _look(self) -> BoardSnapshot:
        self._chosen = chosen = choose(self._named, self._root, self._paths)
        extra = wanted(chosen.board, self._root)
        found = discover(roots(self._root), extra, clock=self._clock)
        sampler = BoardSampler(found.readers, self._clock)
        step_all(sampler, self._clock(), FIRST)
        supply = find_supply(chosen.board, sampler)
        if supply is not None:
            supply.meter = self._meter
        return BoardSnapshot(self._root, chosen, sampler, found.skipped, supply)

    def _use(self, snapshot: BoardSnapshot) -> bool:
        """Read with `snapshot` from now on; False where it was closed meanwhile."""
        with self._lock:
            if self._closed:
                snapshot.sampler.close()
                return False
            self._stop()
            self._snapshot = snapshot
            self._tell(self._clock(), snapshot)
            snapshot.sampler.subscribe(self._pass_on)
            self._thread = SamplerThread(snapshot.sampler, self._clock)
            self._thread.start()
        log.info("%s", snapshot)
        return True

    def _stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def _pass_on(self, time_s: float, reader: BaseReader, _: Sequence[float | None]) -> None:
        snapshot, supply = self._snapshot, self.supply
        if snapshot is not None and supply is not None and reader in supply.readers:
            self._tell(time_s, snapshot)

    def _tell(self, time_s: float, snapshot: BoardSnapshot) -> None:
        supply = snapshot.supply
        if supply is not None:
            self._read_s = time_s = max(time_s, self._read_s)  # reads that were late end later
            told = supply.energy(), supply.resolution_s, snapshot.quality, supply.rails
            self._hear(Metered(time_s, *told))


def look(
    board: str | None,
    root: Path,
    period_s: float,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[BoardReport]:
    """Read the board here and now, without a daemon: a report each `period_s`."""
    monitor = BoardMonitor(root, board)
    monitor.open()
    try:
        pause(min(period_s, SETTLE_S))
        while True:
            yield monitor.report()
            pause(period_s)
    finally:
        monitor.close()
