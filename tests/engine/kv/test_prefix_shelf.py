"""Which beginnings stay, which go, and how much is written."""

from __future__ import annotations

import select
from array import array
from pathlib import Path

import pytest
from cache_help import NOW
from prefix_help import KEY, head, state

from edge_rt.core.cached import Which
from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader, Stored
from edge_rt.engine.kv.prefix_shelf import SHARE, UNUSED_S, PrefixFetcher, PrefixShelf
from edge_rt.testing.board import FakeClock

MAX, HOURLY = 1000, 400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def shelf(clock: FakeClock) -> PrefixShelf:
    return PrefixShelf(MAX, HOURLY, clock)


def put(shelf: PrefixShelf, one: PrefixHeader, size: int = 100, used: float = NOW) -> Stored:
    stored = Stored(one, size, used)
    shelf.put(stored)
    return stored


def test_they_are_found_by_key_and_client(shelf: PrefixShelf) -> None:
    mine, yours = put(shelf, head(1)), put(shelf, head(1, client="uid:2"))
    put(shelf, head(1, key=b"other"))
    assert shelf.of(KEY, "uid:1") == [mine]
    assert shelf.of(KEY, None) == [mine, yours]
    assert mine.tokens == array("i", [1, *range(1, 40)])
    shelf.drop([mine.head.name, "nobody's"])
    assert mine not in shelf
    assert yours in shelf


def test_who_was_not_used_for_longest_goes_first(shelf: PrefixShelf) -> None:
    stored = [put(shelf, head(n), 250, NOW - age) for n, age in enumerate((30, 10, 40, 20))]
    assert shelf.too_much() == []
    assert shelf.too_much(1) == [stored[2].head.name]
    assert shelf.too_much(251) == [stored[2].head.name, stored[0].head.name]


def test_what_nobody_uses_goes_although_there_is_room(shelf: PrefixShelf, clock: FakeClock) -> None:
    old, new = put(shelf, head(1)), put(shelf, head(2), used=NOW + 60)
    clock.now = NOW + UNUSED_S + 30
    assert shelf.too_much() == [old.head.name]
    assert new in shelf


def test_only_so_much_is_written_an_hour(shelf: PrefixShelf, clock: FakeClock) -> None:
    for _ in range(2):
        assert shelf.may_write(200)
        shelf.wrote(200)
    assert not shelf.may_write(1)
    clock.now += 3599
    assert not shelf.may_write(1)
    clock.now += 2
    assert shelf.may_write(200)


def test_a_clock_that_is_set_back_forbids_no_writing(shelf: PrefixShelf, clock: FakeClock) -> None:
    shelf.wrote(HOURLY)
    clock.now -= 86_400
    assert shelf.may_write(200)


def test_one_of_them_may_not_drive_out_all_others(shelf: PrefixShelf) -> None:
    assert shelf.may_write(MAX // SHARE)
    assert not shelf.may_write(MAX // SHARE + 1)


@pytest.mark.parametrize(
    ("which", "chosen"),
    [
        (Which(), {1, 2, 3}),
        (Which(model="m"), {1, 3}),
        (Which(client="uid:2"), {3}),
        (Which(older_s=50), {1}),
        (Which(model="n", older_s=50), set()),
    ],
)
def test_they_are_chosen_by_model_client_and_age(
    shelf: PrefixShelf, which: Which, chosen: set[int]
) -> None:
    heads = {1: head(1, made=NOW - 60), 2: head(2, model="n"), 3: head(3, client="uid:2")}
    for one in heads.values():
        put(shelf, one)
    assert set(shelf.chosen(which)) == {heads[number].name for number in chosen}


def test_groups(shelf: PrefixShelf) -> None:
    put(shelf, head(1, made=NOW - 5), 10)
    put(shelf, head(2), 20)
    put(shelf, head(3, model="a", tokens=[1, 2]), 30)
    told = [(g.model, g.client, g.prefixes, g.tokens, g.size_bytes) for g in shelf.groups()]
    assert told == [("a", "uid:1", 1, 2, 30), ("m", "uid:1", 2, 80, 30)]
    assert [(g.oldest, g.newest) for g in shelf.groups()] == [(NOW, NOW), (NOW - 5, NOW)]


def test_who_leaves_what_was_read_for_him_lets_the_next_be_read(
    shelf: PrefixShelf, clock: FakeClock, tmp_path: Path
) -> None:
    folder = PrefixFolder(tmp_path)
    folder.scan()
    for number in (1, 2):
        folder.write(head(number), state(number))
    fetcher = PrefixFetcher(folder, shelf)
    first, second = (fetcher.fetch(put(shelf, head(number))) for number in (1, 2))

    def settle() -> None:
        assert select.select([fetcher.aside], [], [], 60)[0]
        for then in fetcher.aside.finished():
            then()

    settle()
    assert (first.over, second.over) == (True, False)
    fetcher.leave(first)
    settle()
    assert fetcher.take(second) == state(2)
    fetcher.aside.close()
