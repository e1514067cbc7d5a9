"""What was kept is found, for as long as it may be; files that fail cost nothing but hits."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cache_help import NOW, content, kept, key
from disk_help import bytes_of, failing_disk
from msgspec.structs import replace

from edge_rt.core.cached import Kept, Which
from edge_rt.core.errors import Unavailable
from edge_rt.generation.cache.exact import AGAIN_S, ExactCache
from edge_rt.testing.board import FakeClock

Make = Callable[..., ExactCache]


def found(cache: ExactCache, *numbers: int) -> list[int]:
    """Return which of the answers are found; each must be what it was."""

    async def look() -> list[int]:
        there = [(number, await cache.find(key(number))) for number in numbers]
        hits = [(number, kept) for number, kept in there if kept is not None]
        assert all(kept.content == content(number) for number, kept in hits)
        return [number for number, _ in hits]

    return asyncio.run(look())


def close(cache: ExactCache) -> None:
    asyncio.run(cache.close())


def test_what_was_kept_is_found_at_once_and_after_a_restart(make: Make) -> None:
    cache = make()
    for number in (1, 2):
        cache.keep(kept(number))
    assert found(cache, 1, 2, 3) == [1, 2]
    close(cache)
    again = make()
    assert found(again, 1, 2, 3) == [1, 2]
    close(again)


def test_what_is_new_is_written_beside_the_requests(make: Make) -> None:
    async def run() -> None:
        cache = make()
        writing = asyncio.create_task(cache.run())
        cache.keep(kept(1))
        other = make(memory_bytes=0)
        while await other.find(key(1)) is None:
            await asyncio.sleep(0.001)
        await other.close()
        writing.cancel()
        await cache.close()

    asyncio.run(asyncio.wait_for(run(), 120))


def test_a_new_answer_takes_the_place_of_the_old(make: Make) -> None:
    cache = make()
    for text in (b"old", b"new"):
        cache.keep(replace(kept(1), content=text))
        close(cache)
    again = make()
    one = asyncio.run(again.find(key(1)))
    assert one is not None
    assert one.content == b"new"
    close(again)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("age_s", "hit"), [(0.0, True), (999.0, True), (1000.0, False), (1e9, False), (-1.0, False)]
)
def test_answers_have_their_time(
    make: Make, clock: FakeClock, age_s: float, hit: bool, restart: bool
) -> None:
    """One from the future was made when the clock was wrong, so nobody knows its age."""
    cache = make()
    cache.keep(kept(1))
    if restart:
        close(cache)
        cache = make()
    clock.now = NOW + age_s
    assert found(cache, 1) == ([1] if hit else [])
    close(cache)


def test_what_is_too_old_leaves_the_file(make: Make, clock: FakeClock) -> None:
    cache = make()
    for number in range(50):
        cache.keep(kept(number))
    close(cache)
    clock.now += 2000
    cache.keep(kept(99, made=clock.now))
    (group,) = asyncio.run(cache.groups())
    assert group.answers == 1
    close(cache)


def test_memory_holds_what_was_used_last_and_the_file_all(make: Make) -> None:
    size = max(kept(number).size for number in range(5))
    cache = make(memory_bytes=5 * size)
    for number in range(20):
        cache.keep(kept(number))
    asyncio.run(cache.groups())  # by then they are written
    assert found(cache, *range(20)) == list(range(20))
    close(cache)


def test_the_files_keep_their_bound_and_drop_what_was_not_used(
    make: Make, path: Path, clock: FakeClock
) -> None:
    cache = make(ttl_s=1e9)
    for number in range(600):
        clock.now += 1
        cache.keep(kept(number, made=clock.now))
        assert found(cache, 0) == [0]  # the one that is asked for again and again
        asyncio.run(cache.groups())
        assert bytes_of(path) <= 1 << 20
    close(cache)
    again = make(ttl_s=1e9, memory_bytes=0)
    left = found(again, *range(600))
    assert left[0] == 0
    assert left[1:] == list(range(left[1], 600))
    assert 30 < len(left) < 600
    close(again)


def test_a_bound_that_was_lowered_holds_from_the_next_start_on(make: Make, path: Path) -> None:
    cache = make(max_bytes=8 << 20)
    for number in range(800):
        cache.keep(kept(number))
    close(cache)
    assert bytes_of(path) > 2 << 20
    again = make()
    assert found(again, 799) == [799]
    close(again)
    assert bytes_of(path) <= 1 << 20


def test_an_answer_that_is_too_large_is_not_kept(make: Make) -> None:
    cache = make(memory_bytes=1 << 22)
    cache.keep(replace(kept(1), content=b"x" * ((1 << 20) // 16)))
    assert found(cache, 1) == []


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (Which(), []),
        (Which(model="a"), [2, 3]),
        (Which(client="uid:2"), [1, 2]),
        (Which(older_s=150.0), [2, 3]),
        (Which(model="b", client="uid:2"), [1, 2]),
        (Which(model="b", older_s=150.0), [1, 2, 3]),
    ],
)
@pytest.mark.parametrize("written", [False, True])
def test_answers_are_forgotten(
    make: Make, clock: FakeClock, which: Which, left: list[int], written: bool
) -> None:
    cache = make()
    cache.keep(kept(1, model="a", made=NOW - 200))
    cache.keep(kept(2, model="b", made=NOW - 100))
    cache.keep(kept(3, model="b", client="uid:2"))
    if written:
        close(cache)
    assert asyncio.run(cache.purge(which)) == 3 - len(left)
    assert found(cache, 1, 2, 3) == left
    close(cache)
    again = make()
    assert found(again, 1, 2, 3) == left
    close(again)


def test_what_is_on_its_way_to_the_file_is_forgotten_as_well(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        cache, go_on = make(memory_bytes=0), threading.Event()
        done, first = cache._done, iter([True])

        def late(*args: Any) -> Any:
            # As if the others had found the disk sooner.
            if next(first, False):
                go_on.wait(10)
            return done(*args)

        monkeypatch.setattr(cache, "_done", late)
        cache.keep(kept(1))
        writing = asyncio.create_task(cache.groups())
        await asyncio.sleep(0)
        forgetting = asyncio.create_task(cache.purge(Which()))
        await asyncio.wait([forgetting], timeout=0.1)
        go_on.set()
        await asyncio.gather(writing, forgetting)
        assert await cache.find(key(1)) is None
        await cache.close()

    asyncio.run(run())


def test_what_is_forgotten_leaves_the_file(make: Make, path: Path) -> None:
    cache = make(memory_bytes=0)
    for number in range(100):
        cache.keep(kept(number))
    asyncio.run(cache.purge(Which()))
    close(cache)
    assert bytes_of(path) < 64 << 10
    assert key(7) not in path.read_bytes()


def after_a_look(make: Make, change: Callable[[ExactCache], Awaitable[None]]) -> Kept | None:
    """Return what is found once a cache was changed while it looked into its file."""

    async def run() -> Kept | None:
        cache = make(memory_bytes=1 << 20)
        cache.keep(kept(1))
        await cache.close()
        cold = make()
        look = asyncio.create_task(cold.find(key(1)))
        await asyncio.sleep(0)
        await change(cold)
        await look
        found = await cold.find(key(1))
        await cold.close()
        return found

    return asyncio.run(run())


def test_a_look_that_was_under_way_brings_nothing_back(make: Make) -> None:
    async def purge(cache: ExactCache) -> None:
        await cache.purge(Which())

    assert after_a_look(make, purge) is None


def test_a_look_that_was_under_way_does_not_bring_the_old_answer_back(make: Make) -> None:
    new = replace(kept(1), content=b"new")

    async def answer(cache: ExactCache) -> None:
        cache.keep(new)

    assert after_a_look(make, answer) == new


def test_nobody_else_can_read_it(make: Make, path: Path) -> None:
    cache = make()
    cache.keep(kept(1))
    asyncio.run(cache.groups())
    files = list(path.parent.glob("cache.db*"))
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    close(cache)


def test_what_there_is_by_model_and_client(make: Make, clock: FakeClock) -> None:
    cache = make()
    for number, (model, client) in enumerate([("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")]):
        cache.keep(kept(number, model=model, client=client, made=NOW - number))
    groups = asyncio.run(cache.groups())
    assert [(g.model, g.client, g.answers) for g in groups] == [
        ("a", "x", 2),
        ("a", "y", 1),
        ("b", "x", 1),
    ]
    assert (groups[0].oldest, groups[0].newest) == (NOW - 1, NOW)
    assert groups[0].size_bytes == kept(0).size + kept(1).size
    close(cache)


# --- files that cannot be used


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def flipped(path: Path) -> None:
    """One bit of an answer, of which SQLite knows nothing."""
    held = path.read_bytes()
    place = held.index(key(1) * 3)
    path.write_bytes(held[:place] + bytes([held[place] ^ 1]) + held[place + 1 :])


def swapped(path: Path) -> None:
    """Two answers under each other's keys."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE kept SET key = ? WHERE key = ?", (b"", key(1)))
        db.execute("UPDATE kept SET key = ? WHERE key = ?", (key(1), key(2)))
        db.execute("UPDATE kept SET key = ? WHERE key = ?", (key(2), b""))
        db.commit()


def garbled(path: Path) -> None:
    """A letter in the schema, so that SQLite's complaint of it is no text."""
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE kept", b"CREAT\xff TABLE kept"))


def truncated(path: Path) -> None:
    os.truncate(path, 8192)


@pytest.mark.parametrize("spoil", [garbage, flipped, swapped, garbled, truncated])
def test_a_damaged_file_is_moved_aside_and_said(
    make: Make, path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    cache = make()
    for number in range(1, 9):
        cache.keep(kept(number))
    close(cache)
    spoil(path)
    again = make()
    assert found(again, 1) == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "moved to" in caplog.text
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    again.keep(kept(5))
    close(again)
    assert found(make(), 5) == [5]


def test_a_disk_that_is_full_costs_nothing_that_is_in_memory(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cache = make()
    cache.keep(kept(1))
    asyncio.run(cache.groups())
    with failing_disk():
        for number in (2, 3, 4):
            cache.keep(kept(number))
            asyncio.run(cache.groups())
        assert cache.trouble.told is not None
        assert found(cache, 1, 2, 3, 4) == [1, 2, 3, 4]
    cache.keep(kept(5))
    asyncio.run(cache.groups())
    assert cache.trouble.told is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    close(cache)
    assert found(make(), 1, 2, 3, 4, 5) == [1, 2, 3, 4, 5]


def test_a_disk_that_has_room_again_is_found_without_a_request(make: Make) -> None:
    async def run() -> list[float]:
        cache, rests = make(), list[float]()
        disk = failing_disk()

        async def pause(seconds: float) -> None:
            rests.append(seconds)
            if len(rests) == 3:
                disk.__exit__(None, None, None)
            await asyncio.sleep(0)

        with disk:
            cache.keep(kept(1))
            writing = asyncio.create_task(cache.run(pause))
            while not rests or cache.trouble.told:
                await asyncio.sleep(0.001)
            writing.cancel()
        await cache.close()
        return rests

    assert asyncio.run(asyncio.wait_for(run(), 60)) == [AGAIN_S] * 3
    assert found(make(), 1) == [1]


def test_what_memory_has_no_room_for_does_not_wait_for_the_disk(make: Make) -> None:
    size = max(kept(number).size for number in range(40))
    cache = make(memory_bytes=4 * size)
    with failing_disk():
        for number in range(40):
            cache.keep(kept(number))
            asyncio.run(cache.groups())
    close(cache)
    assert set(found(make(), *range(40))) < set(range(20, 40))


def test_what_a_full_disk_keeps_is_not_said_to_be_forgotten(make: Make) -> None:
    cache = make()
    cache.keep(kept(1))
    asyncio.run(cache.groups())
    with failing_disk(), pytest.raises(Unavailable, match="not forgotten"):
        asyncio.run(cache.purge(Which()))
    assert asyncio.run(cache.purge(Which())) == 1
    assert found(cache, 1) == []
    close(cache)


def test_a_place_where_nothing_can_be_written(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "cache.db"
    cache = ExactCache(place, ttl_s=10, max_bytes=1 << 20, memory_bytes=1 << 16, clock=clock)
    assert found(cache, 1) == []
    cache.keep(kept(1))
    assert found(cache, 1) == [1]
    close(cache)


def test_another_programs_database_is_left_alone(make: Make, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (name)")
    before = path.read_bytes()
    cache = make()
    cache.keep(kept(1))
    close(cache)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
