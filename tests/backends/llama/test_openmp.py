"""ggml's threads go when the engine rests, and come back for the next pass."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.model import park_threads

PATIENCE_S = 10.0


def threads_are(count: int) -> bool:
    """Return whether this process comes to have `count` threads; ended ones stay for a little."""
    late = time.monotonic() + PATIENCE_S
    while psutil.Process().num_threads() != count and time.monotonic() < late:
        time.sleep(0.001)
    return psutil.Process().num_threads() == count


def test_parking_ends_the_threads_and_changes_no_answer(smollm2: Path) -> None:
    model = LlamaBackend(smollm2, context=64, sequences=1, batch=16, threads=2)
    model.batch.clear()
    row = model.batch.add(0, 0, [5, 6, 7], want=1)
    model.forward()
    wanted, busy = model.logits(row).copy(), psutil.Process().num_threads()
    for _ in range(3):
        park_threads()
        assert threads_are(busy - 1)
        model.rewind(0, 0)
        model.forward()
        assert threads_are(busy)
        assert np.array_equal(model.logits(row), wanted)
    model.close()


def test_one_may_park_without_having_computed() -> None:
    park_threads()
    park_threads()


def test_loading_in_another_thread_leaves_none_behind(smollm2: Path) -> None:
    """More threads than cores, though they only wait, have libgomp put all to sleep at each step:
    two threads then compute at a fifth of their speed.
    """
    loaded: queue.SimpleQueue[LlamaBackend] = queue.SimpleQueue()
    over = threading.Event()

    def load() -> None:
        loaded.put(LlamaBackend(smollm2, context=64, sequences=1, batch=16, threads=2))
        over.wait()

    before = psutil.Process().num_threads()
    loader = threading.Thread(target=load)
    loader.start()
    model = loaded.get()
    try:
        assert threads_are(before + 1)
    finally:
        over.set()
        loader.join()
        model.close()
