"""The engine's time is shared out once, and told before anybody asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.engine.protocol import EngineWork, StepOutput, WorkShare
from edge_rt.engine.scheduler.inputs import WorkLog

_ROWS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 64), st.booleans()), min_size=1, max_size=8
)


def test_a_pass_is_shared_by_rows_and_phase() -> None:
    log = WorkLog()
    log.add(1.0, 1.8, [(1, 1, True), (2, 6, False), (3, 1, True)])
    log.add(2.0, 2.2, [(1, 1, True)])
    work = log.take(5.0)
    assert (work.begin_s, work.end_s) == (1.0, 2.2)
    assert work.shares == [
        WorkShare(1, 0.0, pytest.approx(0.3)),
        WorkShare(2, pytest.approx(0.6), 0.0),
        WorkShare(3, 0.0, pytest.approx(0.1)),
    ]


def test_nothing_more_to_tell_is_told_too() -> None:
    log = WorkLog()
    log.add(1.0, 2.0, [(1, 1, True)])
    assert log
    log.take(3.0)
    assert not log
    assert log.take(4.0) == EngineWork(4.0, 4.0, [])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), _ROWS), max_size=6))
def test_the_shares_add_up_to_the_time_of_the_passes(
    passes: list[tuple[float, float, list[tuple[int, int, bool]]]],
) -> None:
    log, now, spent = WorkLog(), 0.0, 0.0
    for gap, length, rows in passes:
        log.add(now + gap, now + gap + length, rows)
        now, spent = now + gap + length, spent + length
    shares = log.take(now).shares
    assert sum(s.prefill_s + s.decode_s for s in shares) == pytest.approx(spent)


def test_all_work_for_an_answer_is_told_before_its_end(front) -> None:
    front.submit(1, list(range(8, 30)), max_tokens=5)
    front.submit(2, [7], max_tokens=9)
    front.settle()
    steps = [e for e in front.events if isinstance(e, StepOutput)]
    assert sum(len(step.deltas) for step in steps) == 14
    times = [t for step in steps for t in (step.work.begin_s, step.work.end_s)]
    assert times == sorted(times)
    assert {share.id for share in front.work} == {1, 2}
    kinds = [type(event).__name__ for event in front.events]
    assert kinds[-2:] == ["StepOutput", "Finished"]
    prefill = sum(s.prefill_s for s in front.work if s.id == 1)
    decode = sum(s.decode_s for s in front.work if s.id == 2)
    assert prefill > 0
    assert decode > 0


def test_work_for_a_cancelled_request_is_told_at_once(front) -> None:
    front.submit(1, list(range(8, 30)), max_tokens=None)
    front.scheduler.step()
    front.scheduler.step()
    front.events.clear()
    front.scheduler.cancel(1)
    [told] = front.events
    assert isinstance(told, StepOutput)
    assert told.deltas == []
    assert told.work is not None
    front.scheduler.cancel(1)  # of which the engine knows nothing any more
    assert front.events[-1].work.shares == []


def test_a_long_prompt_is_told_of_while_it_is_read(front) -> None:
    front.submit(1, [8 + i * 7 % 25 for i in range(90)], max_tokens=1)
    front.scheduler.step()
    assert [s.id for s in front.work] == [1]
    assert front.work[0].decode_s == 0.0
