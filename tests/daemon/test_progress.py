"""What was received is known exactly."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edge_rt.daemon.progress import LOSSES, Progress
from edge_rt.decoding.params import Made


def test_tokens_and_ends_are_kept_by_answer(kit: Any) -> None:
    progress = Progress()
    events = [kit.delta(1, 2), kit.delta(9, index=1), kit.finished(1), kit.delta(3)]
    assert all(progress.news(event) for event in events)
    assert progress.tokens == {0: [1, 2, 3], 1: [9]}
    assert progress.done == [1]


def test_how_an_answer_was_made_is_what_was_told_last(kit: Any) -> None:
    progress = Progress()
    events = [kit.started(), kit.delta(1), kit.delta(2), kit.delta(3, index=1), kit.finished(1)]
    for large, event in enumerate(events):
        made = {} if large in (0, 4) else {"made": Made(large=large)}
        progress.news(replace(event, **made))
    assert progress.made == {0: Made(large=2), 1: Made(large=3)}


def test_a_loss_before_the_engine_had_begun_is_not_held_against_the_request(kit: Any) -> None:
    progress = Progress()
    assert not progress.lost()
    progress.news(kit.started())
    assert not progress.lost()
    assert not progress.lost()
    progress.news(kit.delta(1))
    assert progress.lost()


def test_no_request_is_tried_for_ever() -> None:
    progress = Progress()
    assert [progress.lost() for _ in range(LOSSES)] == [False] * (LOSSES - 1) + [True]


def test_a_request_starts_once(kit: Any) -> None:
    progress = Progress()
    assert progress.news(kit.started())
    progress.lost()
    assert not progress.news(kit.started())
