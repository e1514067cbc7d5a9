"""The sweep computes what it says, and tells it in lines that a parent can read."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from edge_rt.backends.ceilings import WARM_SHARE, RooflineKernel, Swept, kernels, sweep


def test_kernels_go_from_memory_to_processor() -> None:
    found = list(kernels(2, stream=1 << 12))
    intensities = [kernel.flop / kernel.bytes for kernel in found]
    assert min(intensities) == 0.0
    assert intensities[-1] == max(intensities) > 100
    assert len(found) >= 4  # the energy equation asks for as many


@pytest.mark.parametrize("threads", [1, 3])
def test_streams_touch_all_of_their_numbers(threads: int) -> None:
    read, copy, *_ = kernels(threads, stream=1001)
    assert read.flop == 2002
    assert read.bytes == 4004
    assert copy.bytes == 8008


def test_a_stream_is_read_to_its_end() -> None:
    for kernel in kernels(3, stream=1001):
        if kernel.name == "read":
            parts: Any = kernel.run()
            assert sum(parts) == 1001.0
        elif kernel.name.startswith("product"):
            out: Any = kernel.run()
            width = out.shape[1]
            assert kernel.flop == 2 * out.size * width
            assert (out == width).all()


class Clock:
    """Each call of a kernel takes the next of `costs` seconds, the last one again and again."""

    def __init__(self, *costs: float) -> None:
        self.now, self._costs = 0.0, list(costs)

    def __call__(self) -> float:
        return self.now

    def run(self) -> None:
        self.now += self._costs.pop(0) if len(self._costs) > 1 else self._costs[0]


def test_what_warms_up_does_not_count() -> None:
    clock = Clock(0.5, 0.2, 0.1, 0.4)  # 0.3 s to warm up: the first call
    begin, end = sweep([RooflineKernel("one", clock.run, 10.0, 40.0)], 1.0, clock)
    assert begin == "one"
    assert isinstance(end, Swept)
    calls = 4  # 0.2, 0.1, 0.4, 0.4: then a second is over
    assert end.seconds == pytest.approx(1.1)
    assert (end.flop, end.bytes) == (10.0 * calls, 40.0 * calls)
    assert end.best_flop_per_s == pytest.approx(10.0 / 0.1)
    assert end.best_byte_per_s == pytest.approx(40.0 / 0.1)
    assert WARM_SHARE < 1


def test_a_slow_kernel_runs_at_least_once() -> None:
    clock = Clock(100.0)
    _, end = sweep([RooflineKernel("slow", clock.run, 10.0, 40.0)], 0.1, clock)
    assert isinstance(end, Swept)
    assert (end.flop, end.seconds) == (10.0, 100.0)


def test_as_a_process() -> None:
    words = [sys.executable, "-m", "edge_rt.backends.ceilings", "1", "0.01"]
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [json.loads(line) for line in said.splitlines()]
    names = [kernel.name for kernel in kernels(1, stream=8)]
    assert [line.get("begin", line.get("end")) for line in lines] == [
        n for n in names for _ in "be"
    ]
    for line in lines[1::2]:
        assert line["seconds"] > 0
        assert line["best_byte_per_s"] > 0
