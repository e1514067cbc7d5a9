"""Work that takes too long is ended, and nothing else is."""

from __future__ import annotations

import re
import signal
import threading

import pytest

from edge_rt.routing.quality.finder import Overdue, within

ENDLESS, TEXT = re.compile("^(a+)+$"), "a" * 60 + "!"


def test_work_in_time_gives_what_it_gives() -> None:
    assert within(60.0, lambda: 3) == 3
    with pytest.raises(ValueError, match="invalid literal"):
        within(60.0, lambda: int("x"))
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_search_without_end_is_overdue_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Overdue):
            within(0.02, lambda: ENDLESS.search(TEXT))
    assert within(60.0, lambda: ENDLESS.search("aa")) is not None


def test_a_signal_that_is_late_ends_nothing() -> None:
    assert within(60.0, lambda: 3) == 3
    signal.raise_signal(signal.SIGVTALRM)


def test_in_other_threads_there_is_no_limit() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(within(0.0, lambda: 3)))
    thread.start()
    thread.join()
    assert found == [3]
