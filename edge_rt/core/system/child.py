"""The other end of a child process that answers frames, and is ended where it does not."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from edge_rt.core.system.process import LENGTH, frame

_PIECE = 65536  # bytes


class Child:
    """One process after the other of a command; see `frames` for its own end.

    Each is in a session of its own: Ctrl-C is for the daemon, which ends it, and a signal reaches
    what it has started, too.
    """

    def __init__(
        self, command: Sequence[str], most_bytes: int, stderr: int | None = DEVNULL
    ) -> None:
        """Frames of more than `most_bytes` are refused; `stderr` is as in subprocess."""
        self._command, self._most, self._stderr = command, most_bytes, stderr
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> bool:
        """Start a process unless one runs; return whether it was started. Raises OSError."""
        if self._idle is not None:
            self._idle.cancel()
        if self.pid is not None:
            return False
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=self._stderr,
            cwd="/",
            start_new_session=True,
        )
        return True

    async def send(self, content: bytes) -> None:
        """Send a frame; raises OSError."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(frame(content))
        await self._process.stdin.drain()

    async def receive(self) -> bytes:
        """Wait for the next frame; raises EOFError, OSError, or DecodeError for one too long."""
        assert self._process is not None
        assert self._process.stdout is not None
        length = int.from_bytes(await self._process.stdout.readexactly(LENGTH), "big")
        if length > self._most:
            raise msgspec.DecodeError(f"a frame of {length} bytes")
        return await self._process.stdout.readexactly(length)

    async def ask(self, content: bytes) -> bytes:
        """Send a frame and return the next one; raises as `send` and `receive`."""
        await self.send(content)
        return await self.receive()

    def rest(self, idle_s: float) -> None:
        """Let the process end if it gets nothing to do for so long."""
        self._idle = asyncio.get_running_loop().call_later(idle_s, self._leave)

    def _leave(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()  # at whose end it ends

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one, and to all that it has started."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def end(self, patience_s: float = 0.0) -> int | None:
        """End the process; return the exit code of one that ended by itself in that time."""
        if self._idle is not None:
            self._idle.cancel()
        process, code = self._process, None
        if process is None:
            return None
        if patience_s:
            with suppress(asyncio.TimeoutError):
                code = await asyncio.wait_for(process.wait(), patience_s)
        self.signal(signal.SIGKILL)
        self._process = None
        assert process.stdout is not None
        while await process.stdout.read(_PIECE):  # its end is told behind what it has written
            pass
        await process.wait()
        return code
