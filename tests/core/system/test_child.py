"""A child process that answers frames, is started again, and can always be ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from edge_rt.core.system.child import Child

ECHO = """
import sys
from edge_rt.core.system.process import frames, write_frame
for content in frames(sys.stdin.buffer):
    write_frame(sys.stdout.buffer, content)
"""
FLOODING = """
import sys
from edge_rt.core.system.process import write_frame
while True:
    write_frame(sys.stdout.buffer, bytes(1 << 20))
"""
HANG_S = 60.0


def run(program: str, story: Callable[[Child], Awaitable[None]], most_bytes: int = 1 << 20) -> None:
    async def whole() -> None:
        child = Child((sys.executable, "-c", program), most_bytes)
        try:
            await asyncio.wait_for(story(child), HANG_S)
        finally:
            await asyncio.wait_for(child.end(), HANG_S)

    asyncio.run(whole())


def test_frames_come_back_and_the_next_process_answers_when_one_has_ended() -> None:
    async def story(child: Child) -> None:
        assert await child.start()
        assert not await child.start()
        assert await child.ask(b"x" * 300_000) == b"x" * 300_000
        assert await child.end() is None
        assert child.pid is None
        assert await child.start()
        assert await child.ask(b"") == b""

    run(ECHO, story)


def test_the_exit_code_of_one_that_ends_by_itself_is_told() -> None:
    async def story(child: Child) -> None:
        await child.start()
        with pytest.raises(EOFError):
            await child.receive()
        assert await child.end(HANG_S) == 7

    run("raise SystemExit(7)", story)


def test_one_that_floods_is_refused_and_ended() -> None:
    """A process counts as ended once all that it wrote is read, which nobody wants."""

    async def story(child: Child) -> None:
        await child.start()
        with pytest.raises(msgspec.DecodeError, match="1048576 bytes"):
            await child.receive()

    run(FLOODING, story, most_bytes=1000)
