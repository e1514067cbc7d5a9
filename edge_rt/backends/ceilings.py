"""What processor and memory reach: `python -m edge_rt.backends.ceilings THREADS SECONDS`.

A process of its own, so that its libraries have just these threads and end with it. It runs
kernels from those that wait for memory to those that wait for the processor, each for a while,
and tells of each on standard output, a JSON object a line: when it is well under way, and when it
is over, with its work and its best time. FLOP are of float32, a multiply-add being two.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from edge_rt.core.process import end_with_parent

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARM_SHARE = 0.3  # of a kernel's seconds go by before it counts, while clocks and meters follow
_F32 = 4  # bytes
_STREAM = 1 << 24  # numbers, 64 MB: more than caches hold
_PRODUCTS = ((1, 4096), (16, 2048), (128, 1024), (1024, 1024))  # rows, and columns that are added
_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


@dataclass(frozen=True)
class RooflineKernel:
    """One piece of work, and what one call of it computes and moves."""

    name: str
    run: Callable[[], object]
    flop: float
    bytes: float


@dataclass(frozen=True)
class Swept:
    """A kernel's calls over `seconds`, and the shortest of them."""

    name: str
    flop: float
    bytes: float
    seconds: float
    best_flop_per_s: float
    best_byte_per_s: float


def kernels(threads: int, stream: int = _STREAM) -> Iterator[RooflineKernel]:
    """Yield kernels from copies, which compute little, to a matrix product, which moves little.

    Products read their matrices once and write one; a copy's bytes are those read and written.
    """
    import numpy as np

    pool = ThreadPoolExecutor(threads)
    source, target = np.ones(stream, np.float32), np.zeros(stream, np.float32)
    cuts = [stream * n // threads for n in range(threads + 1)]
    parts = [slice(a, b) for a, b in pairwise(cuts)]

    def read(part: slice) -> object:
        return np.dot(source[part], source[part])

    def copy(part: slice) -> object:
        return np.copyto(target[part], source[part])

    with pool:
        yield RooflineKernel(
            "read", lambda: list(pool.map(read, parts)), 2.0 * stream, float(_F32 * stream)
        )
        yield RooflineKernel("copy", lambda: list(pool.map(copy, parts)), 0.0, 2.0 * _F32 * stream)
    for rows, width in _PRODUCTS:
        yield _product(rows, width)


def _product(rows: int, width: int) -> RooflineKernel:
    import numpy as np

    left: NDArray[Any] = np.ones((rows, width), np.float32)
    right: NDArray[Any] = np.ones((width, width), np.float32)
    out: NDArray[Any] = np.empty((rows, width), np.float32)
    moved = _F32 * (left.size + right.size + out.size)
    flop = 2.0 * rows * width * width
    return RooflineKernel(
        f"product of {rows} rows", lambda: np.matmul(left, right, out), flop, moved
    )


def sweep(
    found: Iterable[RooflineKernel], seconds: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[str | Swept]:
    """The name of each kernel once it is warm, and then what came of it."""
    for kernel in found:
        _until(kernel, clock, clock() + WARM_SHARE * seconds)
        yield kernel.name
        begin = clock()
        calls, best_s = _until(kernel, clock, begin + seconds)
        spent = clock() - begin
        flop, moved = calls * kernel.flop, calls * kernel.bytes
        yield Swept(kernel.name, flop, moved, spent, kernel.flop / best_s, kernel.bytes / best_s)


def _until(kernel: RooflineKernel, clock: Callable[[], float], end: float) -> tuple[int, float]:
    """Calls up to the time `end`, at least one, and the seconds of the shortest."""
    calls, best_s, now = 0, float("inf"), clock()
    while not calls or now < end:
        kernel.run()
        before, now = now, clock()
        calls, best_s = calls + 1, min(best_s, now - before)
    return calls, best_s


def main(argv: list[str]) -> int:
    """Sweep with argv[1] threads, argv[2] seconds a kernel."""
    end_with_parent(sys.stdout.fileno())
    threads, seconds = int(argv[1]), float(argv[2])
    os.environ.update(dict.fromkeys(_LIMITS, str(threads)))  # read when numpy is imported
    for said in sweep(kernels(threads), seconds):
        told = {"begin": said} if isinstance(said, str) else {"end": said.name} | asdict(said)
        print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
