"""Runs a sampler in a thread of its own, so that a slow sensor never holds up the event loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from edge_rt.board.readers.base import BaseReader
from edge_rt.board.sampler import HUNG, LOOK_S, BoardSampler

log = logging.getLogger(__name__)


def step_all(
    sampler: BoardSampler, now_s: float, looks: int = HUNG, look_s: float = LOOK_S
) -> None:
    """Step `sampler` once, and wait for each read until `looks` looks have found it."""
    stepper = _stepping(sampler, now_s)
    while waits := stepper if stepper.is_alive() else sampler.awaited(looks):
        waits.join(look_s)
        if sampler.look() or not (stepper.is_alive() or sampler.due(now_s)):
            stepper = _stepping(sampler, now_s)


def _stepping(sampler: BoardSampler, now_s: float) -> threading.Thread:
    thread = threading.Thread(target=sampler.step, args=(now_s,), daemon=True)
    thread.start()
    return thread


class SamplerThread:
    """Steps the sampler whenever a reader is due, from `start` to `stop`.

    While a read is under way, a second thread looks each LOOK_S whether the first is late in it;
    another then takes its place, so that a sensor that is slow or hangs holds up no other.

    To hear of readings in an event loop, subscribe with a function that copies what it needs and
    hands it to `loop.call_soon_threadsafe`.
    """

    def __init__(
        self,
        sampler: BoardSampler,
        clock: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
    ) -> None:
        """`clock` is the sampler's, in seconds."""
        self.sampler = sampler
        self._clock = clock
        self._look_s = look_s
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = self._stepper()
        self._watch = threading.Thread(target=self._look, name="edge-rt-watch", daemon=True)

    def start(self) -> None:
        """Begin; a stopped one cannot be started again."""
        self._thread.start()
        self._watch.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End and close the readers; False where a sensor hangs, which is then left alone."""
        self._stopped.set()
        self._watch.join()
        self._wake.set()
        self._thread.join(timeout_s)
        if (late := self.sampler.awaited()) is not None:
            late.join(timeout_s)
        if self._thread.is_alive() or self.sampler.awaited() is not None:
            log.warning("a sensor has not answered for %g s: leaving it open", timeout_s)
            return False
        self.sampler.close()
        return not self.sampler.blocked

    def hurry(self, readers: Collection[BaseReader], at_s: float) -> None:
        """Have `readers` read at `at_s`, or as soon after it as can be."""
        self.sampler.hurry(readers, at_s)
        self._wake.set()

    def _stepper(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="edge-rt-sensors", daemon=True)

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            self._wake.wait(self.sampler.due(self._clock()))
            self._wake.clear()
            if self._stopped.is_set():
                return
            self.sampler.step(self._clock())

    def _pause_s(self) -> float:
        """Return the seconds until a read that is under way now or next may be late."""
        if self.sampler.awaited() is not None:
            return self._look_s
        return self._look_s + self.sampler.due(self._clock())

    def _look(self) -> None:
        while not self._stopped.wait(self._pause_s()):
            if self.sampler.look():
                self._thread = self._stepper()
                self._thread.start()
            elif self.sampler.due(self._clock()) == 0.0:
                self._wake.set()  # for a reader that was late when the stepper began to wait
