"""The next engine reads little again of what the one that was killed was at."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Generator
from typing import Any

import pytest
from duo import SPECULATIVE

from edge_rt.decoding.params import Gating, Mode, Sampling
from edge_rt.engine import checkpointer
from edge_rt.engine.checkpoints import Checkpoints
from edge_rt.engine.protocol import Generate
from edge_rt.errors import EngineError

KEY = b"k" * 32
PROMPT = [5, 9, 7, 11] * 20


class Board:
    """Toy models, one after the other, over one memory."""

    def __init__(self, new_front: Callable[..., Any], toy: Callable[..., Any]) -> None:
        self.memory = Checkpoints.shared(1 << 20)
        self._new_front, self._toy = new_front, toy
        self.front: Any = None

    def start(self, key: bytes = KEY, **shape: Any) -> None:
        """Another engine, the one before is killed."""
        self.front = self._new_front(self._toy(context=512, **shape))
        self.front.keep_as(None, (Checkpoints(self.memory), key))

    @property
    def checkpoints(self) -> Any:
        return self.front.scheduler.checkpoints._checkpoints

    @property
    def taken(self) -> int:
        return os.fstat(self.memory).st_blocks

    def run(self, heard: Any, count: int) -> list[int]:
        """Step until an answer has so many tokens; these."""
        while len(heard.tokens[0]) < count:
            self.front.scheduler.step()
        return list(heard.tokens[0])

    def killed(self, prompt: list[int] = PROMPT, count: int = 40, **fields: Any) -> list[int]:
        """What was told of an answer when its engine was killed."""
        self.start(**{k: fields.pop(k) for k in ("recurrent", "sequences") if k in fields})
        return self.run(self.front.submit(1, prompt, max_tokens=60, **fields), count)

    def rest(self, told: list[int], prompt: list[int] = PROMPT, **fields: Any) -> list[int]:
        """What the next engine tells."""
        heard = self.front.submit(1, prompt, max_tokens=60, resume={0: told}, **fields)
        self.front.settle()
        return [*told, *heard.tokens[0]]


@pytest.fixture
def board(
    new_front: Callable[..., Any], toy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Generator[Board]:
    """One that has all the time of the world for checkpoints."""
    monkeypatch.setattr(checkpointer, "SHARE", math.inf)
    board = Board(new_front, toy)
    yield board
    os.close(board.memory)


@pytest.fixture
def whole(new_front: Callable[..., Any], toy: Callable[..., Any]) -> list[int]:
    """The answer to PROMPT."""
    front = new_front(toy(context=512))
    heard = front.submit(1, PROMPT, max_tokens=60)
    front.settle()
    return heard.tokens[0]


@pytest.mark.parametrize("recurrent", [False, True])
def test_an_answer_is_not_read_again(board: Board, whole: list[int], recurrent: bool) -> None:
    told = board.killed(recurrent=recurrent)
    board.start(recurrent=recurrent)
    assert board.rest(told) == whole
    assert board.front.backend.restores == 1
    assert board.front.backend.fed < 60 - len(told) + checkpointer.WORTH_COPYING + 2
    assert board.front.heard[1].started[0].cached_tokens > len(PROMPT)
    assert board.taken == 0


def test_a_prompt_is_not_read_again_as_far_as_it_was(board: Board) -> None:
    board.start()
    board.front.submit(1, PROMPT * 4)
    for _ in range(5):
        board.front.scheduler.step()
    read = board.front.backend.fed
    assert 100 < read < len(PROMPT * 4)
    board.start()
    board.rest([], PROMPT * 4)
    assert board.front.backend.fed <= len(PROMPT * 4) + 60 - read + checkpointer.WORTH_COPYING


def test_it_outlives_one_engine_after_the_other(board: Board, whole: list[int]) -> None:
    told: list[int] = []
    for count in range(4, 60, 4):  # less than is worth another checkpoint
        board.start()
        told += board.run(board.front.submit(1, PROMPT, max_tokens=60, resume={0: told}), 4)
        assert len(told) == count
        if count > 4:
            assert board.front.backend.restores == 1
    board.start()
    assert board.rest(told) == whole


def test_several_answers_find_their_own(board: Board) -> None:
    board.start(sequences=4)
    fields = {"n": 4, "max_tokens": 60, "sampling": Sampling(seed=3)}
    heard = board.front.submit(1, PROMPT, **fields)
    for _ in range(60):
        board.front.scheduler.step()
    resume = {index: list(tokens) for index, tokens in heard.tokens.items()}
    assert min(map(len, resume.values())) > 30
    board.start(sequences=4)
    again = board.front.submit(1, PROMPT, resume=resume, **fields)
    board.front.settle()
    assert board.front.backend.restores == 4
    assert board.front.backend.fed < 4 * (60 - 30 + checkpointer.WORTH_COPYING)
    board.start()
    alone = board.front.submit(1, PROMPT, **fields)
    board.front.settle()
    for index in range(4):
        assert resume[index] + again.tokens[index] == alone.tokens[index]


def test_it_is_of_no_use_to_another_model(board: Board, whole: list[int]) -> None:
    told = board.killed()
    board.start(key=b"o" * 32)
    assert board.rest(told) == whole
    assert board.front.backend.restores == 0


def test_what_cannot_be_restored_is_read(
    board: Board, whole: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    told = board.killed()
    board.start()
    board.front.backend.refuses = True
    with caplog.at_level(logging.WARNING):
        assert board.rest(told) == whole
    assert caplog.text.count("read again") == 1
    assert board.taken == 0


@pytest.mark.parametrize("fault", [OSError("no memory"), EngineError("all is full")])
def test_what_cannot_be_kept_stops_nobody(
    board: Board, whole: list[int], caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    def fail(*args: object) -> None:
        raise fault

    board.start()
    if isinstance(fault, OSError):
        board.checkpoints.put = fail
    else:
        board.front.backend.save = fail
    with caplog.at_level(logging.WARNING):
        assert board.rest([]) == whole
    assert caplog.text.count(str(fault)) == 1


def test_only_a_small_part_of_the_time_goes_into_it(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes and checkpoints take as long: no more than one in two hundred."""
    monkeypatch.undo()
    board.start()
    backend, saves = board.front.backend, 0
    forward, save = backend.forward, backend.save

    def slow_save(seq: int) -> bytes:
        nonlocal saves
        saves += 1
        board.front.now += 1.0
        return save(seq)

    def slow_forward() -> None:
        board.front.now += 1.0
        forward()

    backend.save, backend.forward = slow_save, slow_forward
    board.front.submit(1, PROMPT, max_tokens=420)
    board.front.settle()
    assert saves == 3


def test_a_request_that_is_to_be_read_anew_is(board: Board, whole: list[int]) -> None:
    told = board.killed(fresh=True)
    assert board.taken == 0
    told = board.killed()
    board.start()
    assert board.rest(told, fresh=True) == whole
    assert board.front.backend.restores == 0


def test_nothing_stays_of_answers_that_are_over(board: Board) -> None:
    board.start()
    heard = board.front.submit(1, PROMPT, max_tokens=60)
    board.run(heard, 30)
    assert board.taken > 0
    board.front.scheduler.cancel(1)
    assert board.taken == 0
    board.front.submit(2, PROMPT, max_tokens=60)
    board.front.settle()
    assert board.taken == 0


def test_nothing_stays_of_whom_nobody_asks_for_again(board: Board) -> None:
    board.killed()
    board.start()
    assert board.taken > 0
    board.front.submit(2, [20, 21], max_tokens=2)
    board.front.settle()
    assert board.taken == 0
    board.killed()
    board.start()
    board.front.scheduler.close("the model is unloaded")
    assert board.taken == 0


@pytest.mark.parametrize(
    ("mode", "restores"),
    [(SPECULATIVE, [1, 1]), (Mode("switch", "small", gating=Gating("always")), [1, 0])],
)
def test_pairs_go_on_with_the_models_that_had_read(
    toy: Callable[..., Any],
    new_duo: Callable[..., Any],
    new_request: Callable[..., Generate],
    board: Board,
    mode: Mode,
    restores: list[int],
) -> None:
    def pair(**more: Any) -> Any:
        return new_duo(toy(context=512), toy(context=512, quirk=1), **more)

    def asked(**resumed: Any) -> Generate:
        return new_request(1, PROMPT, mode=mode, max_tokens=120, **resumed)

    whole, killed = pair(), pair(checkpoints=Checkpoints(board.memory))
    heard = whole.submit(asked()), killed.submit(asked())
    whole.settle()
    while len(heard[1].tokens[0]) < 60:
        killed.step()
    told = list(heard[1].tokens[0])
    after = pair(checkpoints=Checkpoints(board.memory))
    rest = after.submit(asked(resume={0: told}))
    after.settle()
    assert [*told, *rest.tokens[0]] == heard[0].tokens[0]
    assert [backend.restores for backend in after.backends.values()] == restores
    assert board.taken == 0
