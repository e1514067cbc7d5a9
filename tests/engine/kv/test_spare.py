"""Only a small part of the time goes into what is done beside the work."""

from __future__ import annotations

import pytest

from edge_rt.engine.kv.checkpoints import BURST_S, READING_SHARE, SHARE, Spare


def test_what_is_saved_up_may_go_at_once_and_comes_back_slowly() -> None:
    spare = Spare()
    assert spare.left(1000.0)
    spare.spend(BURST_S / 2)
    assert spare.left(1000.0)
    spare.spend(BURST_S)
    assert not spare.left(1000.0)
    assert not spare.left(1000.0 + 0.49 * BURST_S / SHARE)
    assert spare.left(1000.0 + 0.51 * BURST_S / SHARE)


def test_no_more_is_saved_up() -> None:
    spare = Spare()
    assert spare.left(0.0)
    assert spare.left(1e9)
    spare.spend(BURST_S)
    assert not spare.left(1e9)


@pytest.mark.parametrize("cost_s", [0.001, 0.03, 2.0])
@pytest.mark.parametrize("reading", [False, True])
def test_in_the_long_run_it_is_that_share(reading: bool, cost_s: float) -> None:
    spare, now, spent = Spare(), 0.0, 0.0
    share = READING_SHARE if reading else SHARE
    while now < 10_000.0:
        if spare.left(now):
            spare.spend(cost_s)
            now, spent = now + cost_s, spent + cost_s
        now += 0.02
        if reading:
            spare.read(0.02)
    assert 0.9 * share < spent / now < share + (BURST_S + cost_s) / now
