"""Caches that are killed in the middle of their writes lose nothing that they had written."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cache_help import content, key
from endless_writer import FEW
from hypothesis import settings
from prefix_help import head, state

from edge_rt.engine.kv.prefix_files import PrefixFolder
from edge_rt.generation.cache.exact import ExactCache

KILLS = settings().max_examples // 2  # 50, in a short run 10
WRITER = Path(__file__).with_name("endless_writer.py")


def killed(path: Path, first: int, chance: random.Random) -> int:
    """Write from answer `first` on, until a kill at any moment; the last that was written."""
    words = [sys.executable, str(WRITER), str(path), str(first)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        last = [int(writer.stdout.readline()) for _ in range(chance.randint(1, 30))][-1]
        time.sleep(chance.uniform(0, 0.004))
        writer.kill()
        rest = [int(line) for line in writer.stdout.read().split()]
    assert writer.returncode == -signal.SIGKILL
    return rest[-1] if rest else last


def test_kills_at_any_moment(path: Path, make: Callable[..., ExactCache]) -> None:
    chance, last = random.Random(7), 0
    for _ in range(KILLS):
        last = killed(path, last + 1, chance)
        cache = make(memory_bytes=0)
        newest = range(max(1, last - 40), last + 3)
        there = asyncio.run(_contents(cache, newest))
        assert all(found in (None, content(number)) for number, found in there.items())
        assert there[last] == content(last)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        check_beginnings(path.with_name("prefixes"), last)
    assert not list(path.parent.glob("*.corrupt-*"))


def check_beginnings(path: Path, last: int) -> None:
    """Whatever is there is whole, and so is all that was said to be."""
    folder = PrefixFolder(path)
    names = {head(number).name: number for number in range(max(1, last - 2 * FEW), last + 3)}
    found = {names[whole.head.name]: folder.read(whole.head.name) for whole in folder.scan()}
    assert all(found[number] == (head(number), state(number)) for number in found)
    assert found.keys() >= set(range(max(1, last - FEW + 2), last + 1))
    assert len(list(path.iterdir())) == len(found)  # nothing half written is left


async def _contents(cache: ExactCache, numbers: range) -> dict[int, bytes | None]:
    found = {number: await cache.find(key(number)) for number in numbers}
    await cache.close()
    return {number: None if kept is None else kept.content for number, kept in found.items()}
