"""Which beginnings stay, which go, how much is written, and how many states wait in memory."""

from __future__ import annotations

import select
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from cache_help import NOW
from prefix_help import KEY, head, state

from edge_rt.core.cached import Which
from edge_rt.engine.kv.prefix_disk import SHARE, UNUSED_S, Fetch, PrefixDisk
from edge_rt.engine.kv.prefix_files import PrefixHeader, Stored
from edge_rt.engine.protocol import KeepPrefixes
from edge_rt.testing.board import FakeClock

MAX, HOURLY = 1000, 400
Make = Callable[..., PrefixDisk]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def make(clock: FakeClock, tmp_path: Path) -> Make:
    """Makes a disk that has seen its empty folder."""

    def made(*, per_client: bool = True) -> PrefixDisk:
        disk = PrefixDisk(KeepPrefixes(str(tmp_path / "kept"), MAX, HOURLY, per_client), clock)
        settle(disk)
        return disk

    return made


@pytest.fixture
def disk(make: Make) -> PrefixDisk:
    return make()


def settle(disk: PrefixDisk) -> None:
    """Take in what comes next."""
    assert select.select(disk.filenos(), [], [], 60)[0]
    disk.settle()


def put(disk: PrefixDisk, one: PrefixHeader, size: int = 100, used: float = NOW) -> Stored:
    stored = Stored(one, size, used)
    disk._stored[one.name] = stored
    return stored


def test_they_are_found_by_key_and_client(make: Make) -> None:
    for per_client in (True, False):
        disk = make(per_client=per_client)
        mine, yours = put(disk, head(1)), put(disk, head(1, client="uid:2"))
        put(disk, head(1, key=b"other"))
        assert disk.of(KEY, "uid:1") == ([mine] if per_client else [mine, yours])
        assert mine.tokens == array("i", [1, *range(1, 40)])
        disk.delete([mine.head.name, "nobody's"])
        assert disk.of(KEY, "uid:2") == [yours]


def test_who_was_not_used_for_longest_goes_first(disk: PrefixDisk) -> None:
    stored = [put(disk, head(n), 250, NOW - age) for n, age in enumerate((30, 10, 40, 20))]
    assert disk._too_much() == []
    assert disk._too_much(1) == [stored[2].head.name]
    assert disk._too_much(251) == [stored[2].head.name, stored[0].head.name]


def test_what_nobody_uses_goes_although_there_is_room(disk: PrefixDisk, clock: FakeClock) -> None:
    old = put(disk, head(1))
    put(disk, head(2), used=NOW + 60)
    clock.now = NOW + UNUSED_S + 30
    assert disk._too_much() == [old.head.name]


def test_only_so_much_is_written_an_hour(disk: PrefixDisk, clock: FakeClock) -> None:
    for _ in range(2):
        assert disk.may_save(200)
        disk._written.append((clock(), 200))
    assert not disk.may_save(1)
    clock.now += 3599
    assert not disk.may_save(1)
    clock.now += 2
    assert disk.may_save(200)


def test_a_clock_that_is_set_back_forbids_no_writing(disk: PrefixDisk, clock: FakeClock) -> None:
    disk._written.append((clock(), HOURLY))
    clock.now -= 86_400
    assert disk.may_save(200)


def test_one_of_them_may_not_drive_out_all_others(disk: PrefixDisk) -> None:
    assert disk.may_save(MAX // SHARE)
    assert not disk.may_save(MAX // SHARE + 1)


@pytest.mark.parametrize(
    ("which", "chosen"),
    [
        (Which(), {1, 2, 3}),
        (Which(model="m"), {1, 3}),
        (Which(client="uid:2"), {3}),
        (Which(older_s=50), {1}),
        (Which(model="n", older_s=50), set[int]()),
    ],
)
def test_they_are_chosen_by_model_client_and_age(
    disk: PrefixDisk, which: Which, chosen: set[int]
) -> None:
    heads = {1: head(1, made=NOW - 60), 2: head(2, model="n"), 3: head(3, client="uid:2")}
    for one in heads.values():
        put(disk, one)
    disk.forget(which, lambda deleted, left: None)
    left = {number for number, one in heads.items() if one.name in disk._stored}
    assert {*heads} - left == chosen


def test_groups(disk: PrefixDisk) -> None:
    put(disk, head(1, made=NOW - 5), 10)
    put(disk, head(2), 20)
    put(disk, head(3, model="a", tokens=[1, 2]), 30)
    told = [(g.model, g.client, g.prefixes, g.tokens, g.size_bytes) for g in disk.groups()]
    assert told == [("a", "uid:1", 1, 2, 30), ("m", "uid:1", 2, 80, 30)]
    assert [(g.oldest, g.newest) for g in disk.groups()] == [(NOW, NOW), (NOW - 5, NOW)]


def test_the_states_of_one_answer_wait_in_memory_and_no_others(disk: PrefixDisk) -> None:
    """Were it one state, an answer of two models would wait for the second for ever."""
    for number in (1, 2, 3, 4):
        disk._folder.write(head(number), state(number))
    fetches: list[Fetch] = [disk.fetch(put(disk, head(number))) for number in (1, 2, 3, 4)]
    while not all(fetch.over for fetch in fetches[:2]):
        settle(disk)
    assert [fetch.over for fetch in fetches] == [True, True, False, False]
    disk.leave(fetches[2])  # unread
    assert disk.take(fetches[0]) == state(1)
    disk.leave(fetches[1])
    while not fetches[3].over:
        settle(disk)
    assert fetches[2].state is None
    assert disk.take(fetches[3]) == state(4)


def test_what_was_forgotten_on_its_way_does_not_come(disk: PrefixDisk) -> None:
    disk._folder.write(head(1), state(1))
    fetch = disk.fetch(put(disk, head(1)))
    while not fetch.over:
        settle(disk)
    disk.forget(Which(), lambda deleted, left: None)
    assert disk.take(fetch) is None
