"""The threads that ggml computes with, between two passes."""

from __future__ import annotations

import ctypes
import os
from typing import Any

_SOFT = 1  # omp_pause_soft: settings stay


def park_threads() -> None:
    """End the OpenMP threads of the calling thread; the next pass makes new ones.

    After a pass libgomp's threads spin for more work before they sleep, 300,000 rounds each: up to
    10 ms of a whole core, which a rest of that length exists to save. Making them anew takes a
    tenth of a millisecond. Threads that wait for work count too: once there are more than cores,
    all of them sleep at every step, and two compute at a fifth of their speed. It is
    omp_pause_resource_all of OpenMP 5.0; where libgomp is not loaded nothing happens. To be called
    in the thread that runs the passes, and in one that has loaded a model.
    """
    pause = _function("omp_pause_resource_all")
    if pause is not None:
        pause(_SOFT)


def gather_threads(threads: int) -> None:
    """Make the OpenMP threads of the calling thread's next pass, on other cores than its own.

    The kernel puts a new thread where it likes: beside the one that makes it, though another core
    is idle, and a pass of some milliseconds is over before it thinks better of it. Two threads
    then compute at half their speed. So they are made while the calling thread may only run on
    those other cores, which they inherit, and it goes back to its own. Where threads are there
    already, or libgomp is not loaded, nothing changes.
    """
    parallel, libc = _function("GOMP_parallel"), ctypes.CDLL(None)
    allowed = os.sched_getaffinity(0)
    own = {libc.sched_getcpu()}
    if parallel is None or threads < 2 or not own < allowed:
        return
    nothing = ctypes.cast(libc.free, ctypes.c_void_p)  # of NULL
    try:
        os.sched_setaffinity(0, allowed - own)
        parallel(nothing, None, ctypes.c_uint(threads), ctypes.c_uint(0))
        os.sched_setaffinity(0, own)
    finally:
        os.sched_setaffinity(0, allowed)


def _function(name: str) -> Any:
    """Of libgomp; None where it is not loaded or has no such one."""
    try:
        return getattr(ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD), name)
    except (OSError, AttributeError):
        return None
