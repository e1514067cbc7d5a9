"""A board with a working fan, idle between requests, teaches the daemon what its chip leaks."""

from __future__ import annotations

import asyncio

import pytest
from arrhenius_board import KINDS, ForeignBoard, Reading, day

from edge_rt.core.limits import Observation
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.thermal.leakage_fit import LeakagePrior


def look(reading: Reading, busy: float) -> Observation:
    return Observation(
        time_s=reading.time_s,
        dt_s=1.0,
        power_w=reading.power_w,
        temp_c=reading.temp_c,
        trip_c=95.0,
        fan=reading.fan,
        threads=4,
        busy_s=busy,
        tokens=0,
        running=int(busy > 0.0),
        waiting=0,
        others=0.0,
    )


@pytest.mark.parametrize("name", KINDS)
def test_phi_is_there_after_two_hours_of_mixed_use(name: str) -> None:
    board, watch = ForeignBoard(KINDS[name], 4), LeakageWatch(None)
    watch.begin(name, LeakagePrior(board.kind.rest_w + board.kind.leak_w))
    for reading, busy in day(board, 7200.0):
        watch.take(look(reading, busy))
    asyncio.run(watch.refit())
    leaked_w = board.leaked_w(60.0, board.kind.volts)
    yielded = watch.phi(board.kind.rest_w + leaked_w + 4.0, 60.0)
    assert yielded is not None
    assert yielded == pytest.approx(4.0 / (4.0 + leaked_w), abs=0.25)
