"""A thread count that somebody else has fixed: all else follows it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET, governor, settle, work

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Limits


def drawn(limits: Limits) -> float:
    return 4.0 + limits.threads * limits.duty


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_cap_is_kept_from_the_first_look_on(threads: int) -> None:
    known = governor(BudgetConfig(power_w=6.0))
    work(known, 30.0)
    known.fixed = threads
    first = known.step(replace(QUIET, time_s=30.0, dt_s=0.0, running=1))
    found = [first, *work(known, 60.0, 30.2)]
    assert {limits.threads for limits in found} == {threads}
    powers = [drawn(limits) for limits in found[5:]]
    assert max(sum(powers[k : k + 5]) / 5 for k in range(len(powers) - 4)) <= 6.0
    mean_w = sum(powers[50:]) / len(powers[50:])
    assert mean_w > (4.95 if threads == 1 else 5.8)  # one thread draws 5 W and no more
    assert known.report.margin_w is not None
    assert known.report.margin_w < 0.2


def test_what_was_chosen_before_is_chosen_again() -> None:
    known = governor()
    assert settle(known).threads == 4
    known.fixed = 1
    limits = settle(known, others=0.0)
    assert (limits.threads, limits.why) == (1, "1 thread of 4 is asked for")
    known.fixed = None
    assert settle(known).threads == 4


def test_others_and_absent_cores_do_not_change_it() -> None:
    known = governor(cores=2)
    known.fixed = 2
    assert settle(known, 10.0, others=1.0).threads == 2
    known.fixed = 9
    assert settle(known).threads == 2
