"""Loading models beside the decode loop."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_rt.backends.base import Backend
from edge_rt.engine.protocol import ModelSpec
from edge_rt.errors import EdgeError


@dataclass(frozen=True)
class Outcome:
    """What became of one load: the backend, or why there is none."""

    spec: ModelSpec
    result: Backend | str
    load_s: float


class Loader:
    """Runs loads one after the other in a thread; readable (select) when one has finished."""

    def __init__(self, make_backend: Callable[[ModelSpec, int], Backend]) -> None:
        self._make_backend = make_backend
        self._asked: queue.SimpleQueue[tuple[str, ModelSpec, int]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[str, Outcome]] = queue.SimpleQueue()
        self._wake, self._waker = os.pipe()
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._wake

    def start(self, model: str, spec: ModelSpec, threads: int) -> None:
        """Load `spec` as `model` once earlier loads are done."""
        self._asked.put((model, spec, threads))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="loader")
            self._thread.start()

    def finished(self) -> Iterator[tuple[str, Outcome]]:
        """The loads that finished since the last call."""
        while not self._done.empty():
            os.read(self._wake, 1)
            yield self._done.get()

    def _work(self) -> None:
        while True:
            model, spec, threads = self._asked.get()
            self._done.put((model, self._load(spec, threads)))
            os.write(self._waker, b".")

    def _load(self, spec: ModelSpec, threads: int) -> Outcome:
        begin = time.monotonic()
        try:
            result: Backend | str = self._make_backend(spec, threads)
        except EdgeError as error:
            result = str(error)
        except Exception as error:  # a bug or a broken install: the front must hear of it too
            result = f"{type(error).__name__}: {error}"
        return Outcome(spec, result, time.monotonic() - begin)
