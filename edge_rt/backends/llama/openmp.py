"""The threads that ggml computes with, between two passes."""

from __future__ import annotations

import ctypes
import os

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
    try:
        pause = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD).omp_pause_resource_all
    except (OSError, AttributeError):
        return
    pause(_SOFT)
