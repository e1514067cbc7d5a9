"""Traces go to JSON and back, and only the latest are kept."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_help import POOL, SMOL, ask, choose, now, prediction

from edge_rt.core.errors import RequestError
from edge_rt.core.trace import Trace
from edge_rt.routing.choice.traces import Traces

TOLD = {("smol", 1): prediction(6, 7, power_w=5), ("smol", 2): prediction(4, 8)}


def trace(usable_bytes: float = 1e10) -> Trace:
    board = now(SMOL, usable_bytes=usable_bytes)
    return choose(TOLD, ask(), POOL, board)


@pytest.mark.parametrize("usable_bytes", [1e10, 0.0])
def test_a_trace_survives_json(usable_bytes: float) -> None:
    told = trace(usable_bytes)
    assert msgspec.json.decode(msgspec.json.encode(told), type=Trace) == told


def test_a_trace_holds_every_candidate_once_and_each_with_its_reason() -> None:
    told = trace()
    settings = [row.candidate.setting for row in told.considered]
    assert len(set(settings)) == len(settings) == 6
    assert all(row.reason for row in told.considered)
    assert told.chosen is not None
    assert str(told.chosen.setting) in told.why


def test_a_trace_is_found_by_its_request() -> None:
    traces, told = Traces(), trace()
    traces.keep("one", told)
    assert traces.get("one") is told
    with pytest.raises(RequestError, match="no trace of an answer 'two'"):
        traces.get("two")


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_only_the_latest_traces_are_kept(requests: list[int], kept: int) -> None:
    traces, told = Traces(kept), trace()
    for request in requests:
        traces.keep(str(request), told)
    latest = list(dict.fromkeys(reversed(requests)))[:kept]
    for request in range(10):
        if request in latest:
            assert traces.get(str(request)) is told
        else:
            with pytest.raises(RequestError):
                traces.get(str(request))
