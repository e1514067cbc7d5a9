"""The benchmark of documents that come from the disk, against a daemon that only counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from benchlib import BenchError
from benchlib.chat import Reply
from benchlib.prefix import TOKENS, Documents, Prefix, drop_pages


class Daemon:
    """Keeps what is asked about twice, and takes 10 s to read a document and 1 s to restore it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.restored = 0
        self.keeps = self.restores = True

    async def measure(self) -> None: ...

    async def ask(self, number: int) -> Reply:
        self.asked.append(number)
        known = self.asked.count(number) > 2 and self.restores
        self.restored += known
        cached = TOKENS - 5 if known else 0
        return Reply(5.0, (6.0 if known else 15.0,), TOKENS, cached, 1, "x")

    async def told(self) -> dict[str, Any]:
        kept = self.keeps and len(self.asked) != len(set(self.asked))
        return {"groups": [{}] if kept else [], "restored_prompts": self.restored}


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def prefix(daemon: Daemon, tmp_path: Path) -> Prefix:
    (tmp_path / "x.prefix").write_bytes(b"kept")
    return Prefix(cast(Documents, daemon), daemon.told, tmp_path)


def test_each_round_reads_another_document_and_then_the_shared_one(
    daemon: Daemon, prefix: Prefix
) -> None:
    async def run() -> list[tuple[float, float]]:
        await prefix.prepare()
        return [await prefix.round() for _ in range(2)]

    assert asyncio.run(run()) == [(10.0, 1.0)] * 2
    assert daemon.asked == [0, 0, 1, 0, 2, 0]


def test_what_does_not_come_back_is_no_measurement(daemon: Daemon, prefix: Prefix) -> None:
    async def run() -> None:
        await prefix.prepare()
        daemon.restores = False
        await prefix.round()

    with pytest.raises(BenchError, match="0 tokens came back"):
        asyncio.run(run())


def test_what_is_read_from_the_disk_is_still_whole(tmp_path: Path) -> None:
    (tmp_path / "x.prefix").write_bytes(b"kept")
    drop_pages(tmp_path)
    assert (tmp_path / "x.prefix").read_bytes() == b"kept"
