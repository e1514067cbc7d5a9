"""What was received is known exactly, and who comes no further."""

from __future__ import annotations

import math
from typing import Any

from msgspec.structs import replace

from edge_rt.core.decoding import Made
from edge_rt.generation.recovery import LOSSES, STUCK_S, AnswerProgress


def test_tokens_and_ends_are_kept_by_answer(kit: Any) -> None:
    progress = AnswerProgress()
    events = [kit.delta(1, 2), kit.delta(9, index=1), kit.finished(1), kit.delta(3)]
    assert all(progress.news(event) for event in events)
    assert progress.tokens == {0: [1, 2, 3], 1: [9]}
    assert progress.done == [1]


def test_how_an_answer_was_made_is_what_was_told_last(kit: Any) -> None:
    progress = AnswerProgress()
    events = [kit.started(), kit.delta(1), kit.delta(2), kit.delta(3, index=1), kit.finished(1)]
    for large, event in enumerate(events):
        made = {} if large in (0, 4) else {"made": Made(large=large)}
        progress.news(replace(event, **made))
    assert progress.made == {0: Made(large=2), 1: Made(large=3)}


def test_what_was_judged_by_is_kept_to_the_last_bit(kit: Any) -> None:
    progress, seen = AnswerProgress(), [0.1, 1 / 3, math.inf, 5e-324, -0.0]
    progress.news(kit.delta(1))
    for at in range(len(seen)):
        progress.news(replace(kit.delta(at, index=1), seen=seen[at : at + 1]))
    progress.news(kit.delta(2, index=1))
    assert {index: kept.tolist() for index, kept in progress.seen.items()} == {1: seen}
    assert math.copysign(1.0, progress.seen[1][-1]) == -1.0


def test_who_comes_no_further_is_hopeless_after_many_losses(kit: Any) -> None:
    now = 50.0
    progress = AnswerProgress(lambda: now)
    for _ in range(LOSSES - 1):
        progress.lost()
    now += STUCK_S
    progress.news(kit.delta(1))
    for _ in range(LOSSES - 1):
        progress.lost()
    now += STUCK_S
    assert not progress.hopeless
    progress.lost()
    assert progress.hopeless


def test_many_losses_in_little_time_may_be_a_bad_moment() -> None:
    now = 50.0
    progress = AnswerProgress(lambda: now)
    for _ in range(3 * LOSSES):
        progress.lost()
    now += STUCK_S - 1.0
    assert not progress.hopeless
    now += 1.0
    assert progress.hopeless


def test_a_request_starts_once(kit: Any) -> None:
    progress = AnswerProgress()
    assert progress.news(kit.started())
    progress.lost()
    assert not progress.news(kit.started())


def test_who_waited_while_others_were_served_is_not_hopeless(kit: Any) -> None:
    now = 50.0
    progress = AnswerProgress(lambda: now)
    for _ in range(3 * LOSSES):
        progress.lost(waited=True)
    now += STUCK_S
    assert not progress.hopeless
    for _ in range(LOSSES):
        progress.news(kit.started())
        progress.lost(waited=True)
    now += STUCK_S
    assert progress.hopeless
