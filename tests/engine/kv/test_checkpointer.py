"""The next engine reads little again of what the one that was killed was at."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Generator
from typing import Any

import msgspec
import pytest
from duo import SPECULATIVE

from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import EngineError
from edge_rt.engine.kv import checkpointer
from edge_rt.engine.kv import checkpoints as spare
from edge_rt.engine.kv.checkpoints import Checkpoints, Keyed
from edge_rt.engine.protocol import Generate, ModelSpec
from edge_rt.engine.scheduler.inputs import Outbox
from edge_rt.engine.worker.model_registry import ORPHANED_S

KEY = b"k" * 32
PROMPT = [5, 9, 7, 11] * 20


class Board:
    """Toy models, one after the other, over one memory."""

    def __init__(
        self, new_front: Callable[..., Any], toy: Callable[..., Any], most_bytes: int = 1 << 20
    ) -> None:
        self.memory = Checkpoints.shared(most_bytes)
        self._new_front, self._toy = new_front, toy
        self.front: Any = None
        self.checkpoints: Any = None

    def start(self, key: bytes = KEY, **shape: Any) -> None:
        """Another engine, the one before is killed."""
        self.front = self._new_front(self._toy(context=512, **shape))
        self.checkpoints = Checkpoints(self.memory)
        self.front.keep_as(None, Keyed(self.checkpoints, key))

    @property
    def taken(self) -> int:
        return os.fstat(self.memory).st_blocks

    def run(self, heard: Any, count: int) -> list[int]:
        """Step until an answer has so many tokens; these."""
        while len(heard.tokens[0]) < count:
            self.front.scheduler.step()
        return list(heard.tokens[0])

    def killed(self, prompt: list[int] = PROMPT, count: int = 40, **fields: Any) -> list[int]:
        """Return what was told of an answer when its engine was killed."""
        self.start(**{k: fields.pop(k) for k in ("recurrent", "sequences") if k in fields})
        return self.run(self.front.submit(1, prompt, max_tokens=60, **fields), count)

    def rest(self, told: list[int], prompt: list[int] = PROMPT, **fields: Any) -> list[int]:
        """Return what the next engine tells."""
        heard = self.front.submit(1, prompt, max_tokens=60, resume={0: told}, **fields)
        self.front.settle()
        return [*told, *heard.tokens[0]]


@pytest.fixture
def board(
    new_front: Callable[..., Any], toy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Generator[Board]:
    """One that has all the time of the world for checkpoints."""
    monkeypatch.setattr(spare, "BURST_S", math.inf)
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
    assert board.front.backend.fed < 60 - len(told) + checkpointer.KEEP_EVERY + 2
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
    assert board.front.backend.fed <= len(PROMPT * 4) + 60 - read + checkpointer.KEEP_EVERY


def test_a_long_prompt_is_kept_while_it_is_read(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of all of it takes a hundred and fiftieth of the time that reading it takes."""
    monkeypatch.undo()
    prompt, pass_s = PROMPT * 6, 0.5  # 16 tokens a pass
    board.start()
    front, backend, saved = board.front, board.front.backend, [0]
    forward, save = backend.forward, backend.save

    def slow_forward() -> None:
        front.now += pass_s
        forward()

    def slow_save(seq: int) -> bytes:
        saved.append(len(backend.held[seq]))
        front.now += 0.1 * saved[-1] / len(prompt)
        return save(seq)

    backend.forward, backend.save = slow_forward, slow_save
    front.submit(1, prompt)
    lost: list[int] = []
    while backend.fed < len(prompt) - 16:
        front.scheduler.step()
        lost.append(backend.fed - saved[-1])
    assert max(lost) <= 0.3 * len(prompt)
    read = backend.fed
    board.start()
    board.rest([], prompt)
    assert board.front.backend.restores == 1
    assert board.front.backend.fed - 60 <= len(prompt) - read + max(lost)


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
    board.start(sequences=5)  # the last one is for others
    fields = {"n": 4, "max_tokens": 60, "sampling": Sampling(seed=3)}
    heard = board.front.submit(1, PROMPT, **fields)
    for _ in range(60):
        board.front.scheduler.step()
    resume = {index: list(tokens) for index, tokens in heard.tokens.items()}
    assert min(map(len, resume.values())) > 30
    board.start(sequences=5)  # the last one is for others
    again = board.front.submit(1, PROMPT, resume=resume, **fields)
    board.front.settle()
    assert board.front.backend.restores == 4
    assert board.front.backend.fed < 4 * (60 - 30 + checkpointer.KEEP_EVERY)
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


@pytest.mark.parametrize(
    "fault", [OSError("no memory"), MemoryError("none left"), EngineError("all is full")]
)
def test_what_cannot_be_kept_stops_nobody(
    board: Board,
    whole: list[int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    """Nor is anything left of what was kept before."""
    board.start()
    heard = board.front.submit(1, PROMPT, max_tokens=60)
    board.run(heard, 20)
    assert board.taken > 0

    def fail(*args: object) -> None:
        raise fault

    if isinstance(fault, OSError):
        monkeypatch.setattr(os, "pwritev", fail)
    else:
        board.front.backend.save = fail
    with caplog.at_level(logging.WARNING):
        board.run(heard, 50)
        assert board.taken == 0
        board.front.settle()
    assert heard.tokens[0] == whole
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


def test_nothing_stays_of_whom_nobody_asks_for_again(
    board: Board, toy: Callable[..., Any], new_duo: Callable[..., Any], new_request: Callable
) -> None:
    """Who does has a minute for it, whatever else is asked meanwhile."""
    killed = new_duo(toy(context=512), checkpoints=Checkpoints(board.memory))
    heard = killed.submit(new_request(1, PROMPT, max_tokens=60))
    while len(heard.tokens[0]) < 40:
        killed.step()
    after = new_duo(toy(context=512), checkpoints=Checkpoints(board.memory))
    after.submit(new_request(2, [20, 21], max_tokens=2))
    after.settle()
    after.roster.settle()
    assert board.taken > 0
    after.now += ORPHANED_S
    after.roster.add("late", toy(), ModelSpec("toy", "", 96, 3))  # by whose client it may be
    after.roster.settle()
    assert board.taken > 0
    after.now += ORPHANED_S
    after.roster.settle()
    assert board.taken == 0


def heavy(board: Board, token_bytes: int) -> list[int]:
    """Have states take that much; the lengths of those that are saved."""
    backend, saved = board.front.backend, list[int]()
    save, restore = backend.save, backend.restore

    def heavier(seq: int) -> bytes:
        saved.append(len(backend.held[seq]))
        return save(seq) * token_bytes

    backend.save, backend.saved_bytes = heavier, lambda seq: token_bytes * len(backend.held[seq])
    backend.restore = lambda seq, data: restore(seq, data[: len(data) // token_bytes])
    return saved


def test_what_has_no_room_is_not_even_copied_and_keeps_nobody_from_it(board: Board) -> None:
    board.start()
    saved = heavy(board, 4000)
    long = board.front.submit(1, PROMPT * 4, max_tokens=100)  # 1.2 MB
    told = board.run(board.front.submit(2, PROMPT, max_tokens=60), 40)
    assert long.tokens[0]
    assert 80 < max(saved) < (1 << 20) / 4000
    assert len(saved) < 12
    board.start()
    heavy(board, 4000)
    board.rest(told)
    assert board.front.backend.restores == 1


def test_what_outgrew_its_room_is_still_of_use(board: Board, whole: list[int]) -> None:
    board.start()
    saved = heavy(board, 9000)
    told = board.run(board.front.submit(1, PROMPT, max_tokens=60), 50)
    assert 80 < max(saved) < (1 << 20) / 9000
    board.start()
    heavy(board, 9000)
    assert board.rest(told) == whole
    assert board.front.backend.restores == 1
    assert board.front.backend.fed < 60


def test_whoever_begins_alike_leaves_a_stream_its_own(board: Board, whole: list[int]) -> None:
    told = board.killed()
    board.start()
    board.front.submit(7, [*PROMPT, 20, 21], max_tokens=8)
    board.front.settle()
    assert board.front.backend.restores == 1  # it may begin with it
    board.front.submit(8, [*PROMPT, 22, 23], max_tokens=8)
    board.front.settle()
    assert board.front.backend.restores == 1  # what is in a sequence need not come again
    before = board.front.backend.fed
    assert board.rest(told) == whole
    assert board.front.backend.restores == 2
    assert board.front.backend.fed - before < 60 - len(told) + checkpointer.KEEP_EVERY + 2


def test_a_stream_does_not_wait_for_others_to_read_what_is_kept_of_it(board: Board) -> None:
    """Nor for the disk."""
    long = PROMPT * 5
    told = board.killed(prompt=long)
    board.start()
    asked = list[int]()
    board.front.scheduler.prefixes.fetch = lambda text, client: asked.append(len(text))
    board.front.submit(7, [*long, 20], max_tokens=8, fresh=True)
    board.front.submit(1, long, max_tokens=60, resume={0: told})
    board.front.scheduler.step()
    assert board.front.backend.restores == 1
    assert asked == []


def test_it_is_no_conversation_that_was_gone_on_with(board: Board) -> None:
    """Which would be kept on the disk."""
    told = board.killed()
    board.start()
    board.front.submit(1, PROMPT, max_tokens=60, resume={0: told})
    board.front.scheduler.step()
    assert board.front.backend.restores == 1
    assert [s.reused for s in board.front.scheduler.pool._all if s.busy] == [0]


def test_a_model_that_cannot_go_back_needs_it_as_it_is(board: Board, whole: list[int]) -> None:
    told = board.killed(recurrent=True)
    board.start(recurrent=True)
    assert board.rest(told[:-20]) == whole
    assert board.front.backend.restores == 0


def test_what_was_drawn_is_told_before_there_is_a_pause(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.start()
    front, unsaid = board.front, list[int]()
    monkeypatch.setattr(front.scheduler, "_outbox", Outbox(front.hear, 1000.0))
    save = front.backend.save

    def noted(seq: int) -> bytes:
        unsaid.append(len(front.backend.held[seq]) - len(PROMPT) - len(front.heard[1].tokens[0]))
        return save(seq)

    front.backend.save = noted
    front.submit(1, PROMPT, max_tokens=120)
    front.settle()
    assert len(unsaid) > 2
    assert max(unsaid) <= 0


def test_all_models_together_have_that_part_of_the_time(
    board: Board,
    toy: Callable[..., Any],
    new_duo: Callable[..., Any],
    new_request: Callable[..., Generate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    duo = new_duo(toy(context=512), toy(context=512), checkpoints=Checkpoints(board.memory))
    saves = 0

    def slowly(call: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*args: int) -> Any:
            nonlocal saves
            saves += bool(args)
            duo.now += 1.0
            return call(*args)

        return slow

    for name, backend in duo.backends.items():
        backend.save, backend.forward = slowly(backend.save), slowly(backend.forward)
        asked = new_request(len(name), PROMPT, max_tokens=210)
        duo.submit(msgspec.structs.replace(asked, model=name))
    duo.settle()
    assert saves == 3


def test_pairs_go_on_with_the_models_that_had_read(
    toy: Callable[..., Any],
    new_duo: Callable[..., Any],
    new_request: Callable[..., Generate],
    board: Board,
) -> None:
    def pair(**more: Any) -> Any:
        return new_duo(toy(context=512), toy(context=512, quirk=1), **more)

    def asked(**resumed: Any) -> Generate:
        return new_request(1, PROMPT, mode=SPECULATIVE, max_tokens=120, **resumed)

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
    assert [backend.restores for backend in after.backends.values()] == [1, 1]
    assert board.taken == 0
