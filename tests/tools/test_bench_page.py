"""Browsers of the benchmark read the page's events, and tell when there are none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from benchlib import BenchError
from benchlib.http import Address
from benchmarks.page import browsers

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
EVENT = b'data: {"type":"snapshot","time":1}\n\n'


async def seen(path: Path, answer: bytes, count: int) -> list[bytes]:
    """Return what so many browsers asked of a server that says `answer`."""
    asked: list[bytes] = []
    told = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(answer)
        await writer.drain()
        if len(asked) == count:
            told.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, path), browsers(Address(str(path)), count):
        await asyncio.wait_for(told.wait(), 60)
        for _ in range(100):  # until they have read what was written
            await asyncio.sleep(0)
    return asked


def test_each_browser_reads_the_events(tmp_path: Path) -> None:
    assert (
        asyncio.run(seen(tmp_path / "s", HEAD + EVENT, 2))
        == [b"GET /edge/v1/events HTTP/1.1\r\n"] * 2
    )


@pytest.mark.parametrize("answer", [HEAD, b"HTTP/1.1 401 Unauthorized\r\n\r\n{}"])
def test_a_browser_without_snapshots_is_no_measurement(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(BenchError, match="no snapshots"):
        asyncio.run(seen(tmp_path / "s", answer, 1))
