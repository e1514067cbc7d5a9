"""Runs a sampler in a thread of its own, so that a slow sensor never holds up the event loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from edge_rt.sensors.base import Reader
from edge_rt.sensors.sampler import Sampler

log = logging.getLogger(__name__)


class SamplerThread:
    """Steps the sampler whenever a reader is due, from `start` to `stop`.

    To hear of readings in an event loop, subscribe with a function that copies what it needs and
    hands it to `loop.call_soon_threadsafe`.
    """

    def __init__(self, sampler: Sampler, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is the sampler's, in seconds."""
        self.sampler = sampler
        self._clock = clock
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="edge-rt-sensors", daemon=True)

    def start(self) -> None:
        """Begin; a stopped one cannot be started again."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End and close the readers; False where a sensor hangs, which is then left alone."""
        self._stopped = True
        self._wake.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("a sensor has not answered for %g s: leaving it open", timeout_s)
            return False
        self.sampler.close()
        return True

    def hurry(self, readers: Collection[Reader], at_s: float) -> None:
        """Have `readers` read at `at_s`, or as soon after it as can be."""
        self.sampler.hurry(readers, at_s)
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(self.sampler.due(self._clock()))
            self._wake.clear()
            if self._stopped:
                return
            self.sampler.step(self._clock())
