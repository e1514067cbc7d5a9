"""What prompts begin with is kept on the disk, and comes from there where that is sooner."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.cached import Which
from edge_rt.engine.kv.prefix_disk import PrefixDisk
from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader, size_of
from edge_rt.engine.kv.prefixes import LEAST, LONG, kept_as, state_key
from edge_rt.engine.protocol import KeepPrefixes, ModelOrigin, ModelSpec

SYSTEM = [5, 9, 7, 11] * 20  # what prompts have in common
LARGE = {"max_bytes": 1 << 20, "hourly_bytes": 1 << 20, "per_client": False}


class Board:
    """Toy models, one after the other, over one folder."""

    def __init__(self, path: Path, new_front: Callable[..., Any], toy: Callable[..., Any]) -> None:
        self.path = path
        self.front: Any = None
        self._new_front, self._toy = new_front, toy
        self.last = 0  # id of a request

    def start(self, *, origin: str = "a" * 64, context: int = 1024, **more: Any) -> None:
        """Another engine, after any that there was; `more` is of the toy or of what is kept."""
        self.end()
        keep = {name: more.pop(name, usual) for name, usual in LARGE.items()}
        backend = self._toy(context=context, **more)
        self.front = front = self._new_front(backend)
        spec = ModelSpec("toy", "", context, backend.sequences, origin=ModelOrigin("toy", origin))
        self.disk = PrefixDisk(KeepPrefixes(str(self.path), **keep), lambda: front.now + 1e9)
        front.keep_as(kept_as(spec, state_key(spec, "1"), self.disk))
        self.settle()

    def end(self) -> None:
        """End the engine, if one runs."""
        if self.front is None:
            return
        self.front.scheduler.close("the test ends it")
        self.disk.finish(60)
        self.disk.close()
        self.front = None

    def ask(self, prompt: list[int], **changes: Any) -> Any:
        """The answer to a prompt, and where it began."""
        heard = self.submit(prompt, **changes)
        self.settle()
        return heard

    def submit(self, prompt: list[int], **changes: Any) -> Any:
        """Only ask."""
        self.last += 1
        return self.front.submit(self.last, prompt, **{"client": "me", **changes})

    def settle(self, most: int = 5000) -> None:
        """Until nothing is left to do, nor to be read or written."""
        scheduler = self.front.scheduler
        for _ in range(most):
            if scheduler.running or scheduler.startable:
                scheduler.step()
            elif scheduler.waiting:
                select.select(self.disk.filenos(), [], [], 60)
            self.disk.settle()
            if not self.front.busy:
                break
        assert not self.front.busy, "it does not come to an end"
        for _ in range(2):  # what was read of the folder may have more be read
            self.disk.finish(60)
            self.disk.settle()
        self.front.check_pool()

    @property
    def files(self) -> list[Path]:
        return sorted(self.path.glob("*"))

    @property
    def tokens(self) -> list[list[int]]:
        """What is kept."""
        return [list(stored.tokens) for stored in self.disk._stored.values()]


@pytest.fixture
def board(
    tmp_path: Path, new_front: Callable[..., Any], toy: Callable[..., Any]
) -> Generator[Board]:
    made = Board(tmp_path / "prefixes", new_front, toy)
    made.start()
    yield made
    made.end()


def restored(heard: Any) -> int:
    (started,) = heard.started
    assert started.restored_tokens in (0, started.cached_tokens)
    return started.restored_tokens


def learn(board: Board, system: list[int] = SYSTEM) -> None:
    """Two prompts that go on differently."""
    for tail in (20, 21):
        board.ask([*system, tail, tail])


def test_what_two_prompts_begin_with_is_kept_and_comes_back(board: Board) -> None:
    board.ask([*SYSTEM, 20, 20])
    assert board.files == []
    board.ask([*SYSTEM, 21, 21])
    assert board.tokens == [SYSTEM]
    prompt = [*SYSTEM, 22, 8]
    alone = board.ask(prompt, client=None, fresh=True)
    board.start()
    again = board.ask(prompt)
    assert restored(again) == len(SYSTEM)
    assert board.front.backend.fed == 2 + 7  # the rest of the prompt, and all but the last drawn
    assert again.outcome() == alone.outcome()
    board.ask([*SYSTEM, 23, 8])
    assert len(board.files) == 1  # it is not written again


def test_it_is_cut_where_they_part_also_if_memory_has_nothing_of_it(board: Board) -> None:
    board.ask([*SYSTEM, 20, 20])
    board.front.scheduler.pool.drop_all()
    heard = board.ask([*SYSTEM, 21, 21])
    assert restored(heard) == 0
    assert board.tokens == [SYSTEM]
    assert heard.outcome() == board.ask([*SYSTEM, 21, 21], fresh=True).outcome()


def test_a_conversation_that_goes_on_is_not_written_at_every_turn(board: Board) -> None:
    said = [*SYSTEM, 20]
    for turn in range(6):
        said += board.ask(said).tokens[0]
        said += [21, turn + 8]
    assert board.files == []


def test_a_conversation_that_was_gone_on_with_is_written_when_it_makes_room(board: Board) -> None:
    said = [20] * LONG
    said += board.ask(said).tokens[0]
    said += [21, 22]
    board.ask(said)
    for other in range(8, 11):
        board.ask([other] * 40)
    assert [kept[: len(said)] for kept in board.tokens] == [said]
    board.start()
    assert restored(board.ask([*said, *range(8, 30)])) > 0.9 * len(said)


def test_one_that_ended_after_its_first_answer_is_not(board: Board) -> None:
    board.ask([20] * LONG)
    for other in range(8, 11):
        board.ask([other] * 40)
    assert board.files == []


def test_a_model_that_is_unloaded_leaves_its_conversations(board: Board) -> None:
    said = [20] * LONG
    said += board.ask(said).tokens[0]
    board.ask([*said, 21])
    board.start()
    assert restored(board.ask([*said, 21, 22])) >= len(said)


def test_the_later_end_of_a_conversation_takes_the_place_of_the_earlier(board: Board) -> None:
    said, kept = [20] * LONG, list[int]()
    for _ in range(2):
        for _ in range(2):
            said += [*board.ask(said).tokens[0], 21]
        board.start()
        (kept,) = board.tokens
        assert kept == said[: len(kept)]
        said += [22] * 100
    assert len(kept) > LONG + 100


def test_what_is_kept_longer_serves_what_begins_alike(board: Board) -> None:
    learn(board, [*SYSTEM, *SYSTEM])
    board.start()
    heard = board.ask([*SYSTEM, *SYSTEM[:40], 8, 9])
    assert restored(heard) == len(SYSTEM) + 40
    assert heard.outcome() == board.ask([*SYSTEM, *SYSTEM[:40], 8, 9], fresh=True).outcome()


def test_a_model_that_cannot_go_back_gets_only_what_it_can_go_on_with(board: Board) -> None:
    board.start(recurrent=True)
    learn(board)
    board.start(recurrent=True, sequences=1)
    board.ask([9] * 40)
    board.ask([9] * 30)  # by then it is known
    assert restored(board.ask([*SYSTEM[:70], 8, 9])) == 0
    board.ask([9] * 40)
    assert restored(board.ask([*SYSTEM, 8, 9])) == len(SYSTEM)


@pytest.mark.parametrize(
    "other", [{"origin": "b" * 64}, {"context": 512}], ids=["other files", "other settings"]
)
def test_another_model_gets_none_of_it(board: Board, other: dict[str, Any]) -> None:
    learn(board)
    board.start(**other)
    assert restored(board.ask([*SYSTEM, 8, 9])) == 0


def test_whatever_shapes_keys_and_values_is_part_of_the_key(board: Board) -> None:
    usual = ModelSpec("llama.cpp", "x", 96, 3, kv_type="f16", origin=ModelOrigin("m", "a"))
    others: list[dict[str, Any]] = [
        {"backend": "onnx"},
        {"kv_type": "q4_0"},
        {"gpu_layers": 20},
        {"flash_attention": False},
        {"context": 128},
        {"origin": ModelOrigin("m", "b")},
    ]
    fields = {name: getattr(usual, name) for name in usual.__struct_fields__}
    specs = [usual, *(ModelSpec(**{**fields, **other}) for other in others)]
    keys = [*(state_key(spec, "1") for spec in specs), state_key(usual, "2")]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    unknown = ModelSpec("llama.cpp", "x", 96, 3)
    assert state_key(unknown, "1") is None
    assert kept_as(unknown, None, board.disk) is None
    assert kept_as(usual, keys[0], None) is None


def test_a_damaged_file_is_dropped_and_the_prompt_is_read(board: Board) -> None:
    learn(board)
    board.start()
    (file,) = board.files
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    heard = board.ask([*SYSTEM, 8, 9])
    assert restored(heard) == 0
    assert heard.outcome() == board.ask([*SYSTEM, 8, 9], fresh=True).outcome()
    assert board.files == []


def test_what_the_model_refuses_is_dropped_and_the_prompt_is_read(board: Board) -> None:
    learn(board)
    board.start()
    board.front.backend.refuses = True
    heard = board.ask([*SYSTEM, 8, 9])
    assert restored(heard) == 0
    assert heard.outcome() == board.ask([*SYSTEM, 8, 9], fresh=True).outcome()
    assert board.files == []


def test_nothing_is_kept_nor_given_where_the_client_does_not_want_it(board: Board) -> None:
    for tail in (20, 21):
        board.ask([*SYSTEM, tail], client=None)
    assert board.files == []
    learn(board)
    board.start()
    assert restored(board.ask([*SYSTEM, 8, 9], client=None)) == 0
    assert restored(board.ask([*SYSTEM, 9, 9], fresh=True)) == 0


def test_clients_have_their_own_where_they_are_kept_apart(board: Board) -> None:
    board.start(per_client=True)
    board.ask([*SYSTEM, 20], client="you")
    board.ask([*SYSTEM, 21], client="me")
    assert board.files == []  # each has asked once
    board.ask([*SYSTEM, 22], client="me")
    assert len(board.files) == 1
    for client, found in (("you", 0), ("me", len(SYSTEM))):
        board.start(per_client=True)
        assert restored(board.ask([*SYSTEM, 8, 9], client=client)) == found


def test_short_beginnings_are_not_written(board: Board) -> None:
    learn(board, SYSTEM[: LEAST - 1])
    assert board.files == []


def test_a_short_system_prompt_comes_back(board: Board) -> None:
    short = SYSTEM[:24]
    learn(board, short)
    board.start()
    assert restored(board.ask([*short, 8, 9])) == 24


def test_no_more_is_written_in_an_hour_than_may_be(board: Board) -> None:
    board.start(hourly_bytes=1000)  # one
    learn(board)
    learn(board, [8, *SYSTEM])
    assert board.tokens == [SYSTEM]
    board.front.now += 3601
    learn(board, [9, *SYSTEM])
    assert [9, *SYSTEM] in board.tokens


def test_who_was_used_last_stays(board: Board) -> None:
    board.start(max_bytes=2400, sequences=1)  # four
    for first in (8, 9, 10, 11):
        learn(board, [first, *SYSTEM])
    assert restored(board.ask([8, *SYSTEM, 20])) > 0
    for first, gone in ((12, 9), (13, 10), (14, 11), (15, 8)):
        before = {tokens[0] for tokens in board.tokens}
        learn(board, [first, *SYSTEM])
        assert {tokens[0] for tokens in board.tokens} == before - {gone} | {first}
        assert sum(file.stat().st_size for file in board.files) <= 2400


def test_a_disk_that_cannot_be_written_is_done_without(
    tmp_path: Path, new_front: Callable[..., Any], toy: Callable[..., Any]
) -> None:
    (tmp_path / "file").touch()
    board = Board(tmp_path / "file" / "prefixes", new_front, toy)
    board.start()
    learn(board)
    assert not board.disk.writable
    (tmp_path / "file").unlink()
    learn(board, [8, *SYSTEM])
    assert board.disk.writable
    assert board.tokens == [[8, *SYSTEM]]
    board.end()


def test_others_go_on_while_the_disk_is_read(board: Board) -> None:
    learn(board)
    board.start()
    (file,) = board.files
    whole = file.read_bytes()
    file.unlink()
    os.mkfifo(file)  # reading it waits for who writes it
    late, soon = board.submit([*SYSTEM, 8, 9]), board.submit([9, 9, 9])
    scheduler = board.front.scheduler
    while scheduler.running or scheduler.startable:
        scheduler.step()
    assert soon.finished
    assert not late.started
    assert (scheduler.waiting, scheduler.startable) == (1, 0)
    file.write_bytes(whole)
    board.settle()
    assert late.finished


def test_who_leaves_while_the_disk_is_read_is_in_nobodys_way(board: Board) -> None:
    learn(board)
    learn(board, [8, *SYSTEM])
    board.start()
    first = board.submit([*SYSTEM, 8, 9])
    board.front.scheduler.step()
    board.front.scheduler.cancel(board.last)
    heard = board.ask([8, *SYSTEM, 8, 9])
    assert not first.started
    assert restored(heard) == len(SYSTEM) + 1


def test_prompts_that_begin_alike_need_it_read_once(board: Board) -> None:
    learn(board)
    board.start()
    heard = [board.submit([*SYSTEM, tail, tail]) for tail in (24, 25)]
    board.settle()
    assert sorted(map(restored, heard)) == [0, len(SYSTEM)]
    assert all(one.started[0].cached_tokens == len(SYSTEM) for one in heard)
    assert board.front.backend.restores == 1


def test_answers_of_one_request_are_not_two_prompts(board: Board) -> None:
    board.ask([*SYSTEM, 20], n=3)
    assert board.files == []


def test_what_is_forgotten_is_gone_and_is_not_written_from_memory(board: Board) -> None:
    said = [20] * LONG
    said += board.ask(said).tokens[0]
    board.ask([*said, 21])
    learn(board)
    gone: list[tuple[int, int]] = []
    which = Which(model="toy")
    board.front.scheduler.prefixes.forget(which)
    board.disk.forget(which, lambda *told: gone.append(told))
    board.settle()
    assert gone == [(1, 0)]
    assert board.files == []
    board.start()
    assert board.files == []


def test_what_is_forgotten_is_not_held_against_later_prompts(board: Board) -> None:
    """Else its beginning would be written with the next prompt that shares it."""
    board.ask([*SYSTEM, 20, 20])
    board.front.scheduler.prefixes.forget(Which())
    board.ask([*SYSTEM, 21, 21])
    assert board.files == []
    board.ask([*SYSTEM, 22, 22])
    assert board.tokens == [SYSTEM]


def test_what_is_forgotten_while_it_is_written_is_gone_too(board: Board) -> None:
    for tail in (20, 21):
        board.submit([*SYSTEM, tail, tail])
    scheduler = board.front.scheduler
    while scheduler.running or scheduler.waiting:
        scheduler.step()
    gone: list[tuple[int, int]] = []
    board.disk.forget(Which(), lambda *told: gone.append(told))
    board.settle()
    assert gone == [(1, 0)]
    assert board.files == []
    assert board.tokens == []
    assert PrefixFolder(board.path).scan() == []


def test_what_is_forgotten_before_it_is_known_what_there_is_does_not_come_back(
    board: Board,
) -> None:
    learn(board)
    board.end()
    disk = PrefixDisk(KeepPrefixes(str(board.path), 1 << 20, 1 << 20, False))
    gone: list[tuple[int, int]] = []
    disk.forget(Which(), lambda *told: gone.append(told))
    while not gone:
        assert select.select(disk.filenos(), [], [], 60)[0]
        disk.settle()
    assert gone == [(1, 0)]
    assert disk.groups() == []
    assert PrefixFolder(board.path).scan() == []
    disk.close()


def test_what_cannot_be_deleted_is_told_until_it_can(board: Board) -> None:
    learn(board)
    learn(board, [8, *SYSTEM])
    stuck = board.files[0]
    stuck.unlink()
    stuck.mkdir()
    gone: list[tuple[int, int]] = []
    for _ in range(2):
        board.disk.forget(Which(), lambda *told: gone.append(told))
        board.settle()
    assert gone == [(1, 1), (0, 1)]
    assert board.files == [stuck]
    stuck.rmdir()
    stuck.touch()
    board.disk.forget(Which(), lambda *told: gone.append(told))
    board.settle()
    assert gone[2:] == [(1, 0)]
    assert board.files == []


def test_what_was_not_written_does_not_count_as_written(board: Board) -> None:
    board.start(hourly_bytes=1000)  # one
    board.path.rmdir()
    board.path.touch()
    learn(board)
    assert not board.disk.writable
    board.path.unlink()
    learn(board, [8, *SYSTEM])
    assert board.disk.writable
    assert board.tokens == [[8, *SYSTEM]]


@pytest.mark.parametrize("stored", [0, 3])
def test_what_waits_to_be_written_counts_as_if_it_were(tmp_path: Path, stored: int) -> None:
    heads = [PrefixHeader(b"k", "toy", "me", bytes([n] * 40), 1.0, 0.01, True) for n in range(9)]
    size = size_of(heads[0], b"state")
    disk = PrefixDisk(KeepPrefixes(str(tmp_path / "prefixes"), 4 * size, 1 << 20, False))

    def save(some: list[PrefixHeader]) -> None:
        for head in some:
            disk.save(head, b"state")
        disk.finish(60)
        disk.settle()

    save(heads[:stored])
    save(heads[stored:])
    kept = sum(group.prefixes for group in disk.groups())
    assert kept == len(list((tmp_path / "prefixes").iterdir())) == 4
    disk.close()
