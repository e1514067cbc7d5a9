"""A sweep tells ceilings and an energy equation, and ends with whoever asked for it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import psutil
import pytest

from edge_rt.board.integral import Energy
from edge_rt.core.errors import EngineError
from edge_rt.energy.calibration.record import Sweep
from edge_rt.energy.calibration.sweep import KernelResult, Sweeper, made

FLOP_J, BYTE_J, STATIC_W = 5e-11, 2e-10, 3.0


def kernel(flop: float, moved: float, seconds: float = 1.0) -> KernelResult:
    return KernelResult("k", flop, moved, seconds, 1.1 * flop / seconds, 1.1 * moved / seconds)


KERNELS = [kernel(2e9, 8e9), kernel(0.0, 9e9), kernel(2e10, 4e9), kernel(5e10, 1e8)]


def powers() -> list[float | None]:
    return [STATIC_W + FLOP_J * k.flop + BYTE_J * k.bytes for k in KERNELS]


def test_ceilings_are_the_best_of_their_kind() -> None:
    found = made(KERNELS, powers())
    assert found.flop_per_s == pytest.approx(1.1 * 5e10)
    assert found.byte_per_s == pytest.approx(1.1 * 9e9)


def test_the_energy_equation_comes_back() -> None:
    found = made(KERNELS, powers())
    assert found.flop_j == pytest.approx(FLOP_J)
    assert found.byte_j == pytest.approx(BYTE_J)
    assert found.static_w == pytest.approx(STATIC_W)
    assert found.held_out_ratio is not None


def test_where_power_is_missing_ceilings_stand_alone() -> None:
    for unknown in ([None] * 4, [*powers()[:3], None]):
        found = made(KERNELS, unknown)
        assert found.flop_per_s > 0
        assert found.equation is None


@pytest.mark.parametrize("kernels", [[], KERNELS[:2], KERNELS[2:]])
def test_too_few_kernels_are_no_sweep(kernels: list[KernelResult]) -> None:
    with pytest.raises(EngineError, match="too little"):
        made(kernels, [None] * len(kernels))


class Meter:
    """Joules that come in at `watts`, half a second a look."""

    def __init__(self, watts: float = 4.0) -> None:
        self._watts, self._seconds = watts, 0.0

    def __call__(self) -> Energy:
        self._seconds += 0.5
        return Energy(self._watts * self._seconds, self._seconds)


def program(*lines: object, then: str = "") -> tuple[str, ...]:
    said = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return sys.executable, "-uc", f"print({said!r}); {then}"


def told(flop: float, moved: float) -> Mapping[str, object]:
    rates = {"best_flop_per_s": flop, "best_byte_per_s": moved}
    return {"end": "k", "flop": flop, "bytes": moved, "seconds": 1.0} | rates


async def swept(sweeper: Sweeper) -> list[Any]:
    return [word async for word in sweeper.sweep(2, 0.1)]


def test_the_program_is_heard_and_the_meter_read() -> None:
    lines: list[object] = []
    for number, one in enumerate(KERNELS):
        lines += [{"begin": f"kernel {number}"}, told(one.flop, one.bytes)]
    *names, found = asyncio.run(swept(Sweeper(Meter(), program(*lines))))
    assert names == [f"kernel {number}" for number in range(4)]
    assert isinstance(found, Sweep)
    assert found.static_w == pytest.approx(4.0)  # it drew the same whatever it did


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (program("no JSON"), "no JSON"),
        (program({"begin": "x"}, then="raise SystemExit(3)"), "ended with 3"),
        (program(), "no JSON|says"),
    ],
)
def test_what_goes_wrong_is_told(words: tuple[str, ...], error: str) -> None:
    sweeper = Sweeper(Meter(), words)
    with pytest.raises(EngineError, match=error):
        asyncio.run(swept(sweeper))
    assert not sweeper.running


def test_a_program_that_hangs_is_ended() -> None:
    sweeper = Sweeper(Meter(), program({"begin": "x"}, then="import time; time.sleep(99)"), 0.01)
    with pytest.raises(EngineError, match="come to an end"):
        asyncio.run(swept(sweeper))


def test_whoever_leaves_ends_the_program() -> None:
    async def run() -> None:
        words = program({"begin": "x"}, then="import time; time.sleep(99)")
        sweeper = Sweeper(Meter(), words)
        before = {child.pid for child in psutil.Process().children()}
        async with aclosing(sweeper.sweep(2, 0.1)) as lines:
            assert await anext(lines) == "x"
            assert sweeper.running
            assert {c.pid for c in psutil.Process().children()} > before
        assert not sweeper.running
        assert {c.pid for c in psutil.Process().children()} <= before

    asyncio.run(run())
