"""A sweep tells ceilings, and ends with whoever asked for it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping

import psutil
import pytest

from edge_rt.core.errors import EngineError
from edge_rt.energy.calibration.sweep import KernelResult, Sweeper, ceilings


def kernel(flop: float, moved: float, seconds: float = 1.0) -> KernelResult:
    return KernelResult("k", flop, moved, seconds, 1.1 * flop / seconds, 1.1 * moved / seconds)


KERNELS = [kernel(2e9, 8e9), kernel(0.0, 9e9), kernel(2e10, 4e9), kernel(5e10, 1e8)]


def test_ceilings_are_the_best_of_their_kind() -> None:
    found = ceilings(KERNELS)
    assert found.flop_per_s == pytest.approx(1.1 * 5e10)
    assert found.byte_per_s == pytest.approx(1.1 * 9e9)


@pytest.mark.parametrize("kernels", [[], KERNELS[:2], KERNELS[2:]])
def test_too_few_kernels_are_no_sweep(kernels: list[KernelResult]) -> None:
    with pytest.raises(EngineError, match="too little"):
        ceilings(kernels)


def program(*lines: object, then: str = "") -> tuple[str, ...]:
    said = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return sys.executable, "-uc", f"print({said!r}); {then}"


def told(flop: float, moved: float) -> Mapping[str, object]:
    rates = {"best_flop_per_s": flop, "best_byte_per_s": moved}
    return {"end": "k", "flop": flop, "bytes": moved, "seconds": 1.0} | rates


def test_the_program_is_heard() -> None:
    lines: list[object] = []
    for number, one in enumerate(KERNELS):
        lines += [{"begin": f"kernel {number}"}, told(one.flop, one.bytes)]
    found = asyncio.run(Sweeper(program(*lines)).sweep(2, 0.1))
    assert (found.flop_per_s, found.byte_per_s) == (5e10, 9e9)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (program("no JSON"), "no JSON"),
        (program({"begin": "x"}, then="raise SystemExit(3)"), "ended with 3"),
        (program(), "says|too little"),
    ],
)
def test_what_goes_wrong_is_told(words: tuple[str, ...], error: str) -> None:
    sweeper = Sweeper(words)
    with pytest.raises(EngineError, match=error):
        asyncio.run(sweeper.sweep(2, 0.1))
    assert not sweeper.running


def test_a_program_that_hangs_is_ended() -> None:
    sweeper = Sweeper(program({"begin": "x"}, then="import time; time.sleep(99)"), 0.01)
    with pytest.raises(EngineError, match="come to an end"):
        asyncio.run(sweeper.sweep(2, 0.1))


def test_whoever_leaves_ends_the_program() -> None:
    async def run() -> None:
        words = program({"begin": "x"}, then="import time; time.sleep(99)")
        sweeper = Sweeper(words)
        before = {child.pid for child in psutil.Process().children()}
        task = asyncio.create_task(sweeper.sweep(2, 0.1))
        while not sweeper.running:
            await asyncio.sleep(0.01)
        assert {c.pid for c in psutil.Process().children()} > before
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not sweeper.running
        assert {c.pid for c in psutil.Process().children()} <= before

    asyncio.run(run())
