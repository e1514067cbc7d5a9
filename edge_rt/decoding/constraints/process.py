"""The engine's side of the processes of grammars: questions, replies, limits and ends."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import msgspec

from edge_rt.core.errors import EdgeError, RequestError, Unavailable
from edge_rt.core.system.process import own_bytes
from edge_rt.decoding.constraints.messages import (
    ASK,
    END,
    FORK,
    NO_MEMORY,
    NUMBER,
    ORDER,
    RUNNING,
    Cut,
    FromEngine,
    Leave,
    Link,
    Table,
    ToEngine,
    Tokens,
)

START_S = 60.0  # for the first process to build the tree of a vocabulary
LOOK_S = 0.02  # between two looks at what a process has used
BASE_BYTES = 3 << 20  # of a process that was forked, in what it does not share
RETRY_S = 5.0
_WHY = {
    "wall": "the processor was busy with other work",
    "unwanted": "others wait for their turn",
    "killed": "its process was ended, perhaps for want of memory",
}
_DEAR = "several patterns under `allOf`, long repetitions and large multiples are dear"
_COMMAND = (sys.executable, "-m", "edge_rt.decoding.constraints.worker")


class TimeLimits(NamedTuple):
    """What an answer of a process may take: its processor time, and the time of all others.

    After `idle_s` of the first it runs only where nothing else does, for good.
    """

    cpu_s: float
    wall_s: float
    idle_s: float = math.inf


COMPILATION = TimeLimits(cpu_s=5.0, wall_s=60.0, idle_s=0.1)  # most schemas take 0.03 s
# 0.01 s is much for a mask. The decode loop may wait, less than hang_detector.STILL_S.
STEP = TimeLimits(cpu_s=0.5, wall_s=2.0)


class Ended(Exception):
    """A process ended before it answered, or was ended, because of `why`.

    "cpu" and "wall": it took too long; "memory": it wanted too much; "crashed": whatever it was;
    "killed": something outside ended it; "unwanted": nobody waits for it.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def error(self, param: str, limits: TimeLimits, doing: str) -> EdgeError:
        """Return the error of a request whose field `param` is the constraint."""
        if self.why in _WHY:
            message = f"`{param}`: {doing} was given up, because {_WHY[self.why]}: try again"
            return Unavailable(message, retry_after_s=RETRY_S)
        took = {
            "cpu": f"more than {limits.cpu_s:g} s of the processor",
            "memory": "more memory than it may",
        }.get(self.why, "more than llguidance can do")
        message = f"`{param}`: {doing} takes {took}. Simplify it: {_DEAR}."
        return RequestError(message, param=param, code="constraint_too_complex")


class Reply:
    """A reply that is to come."""

    def __init__(self) -> None:
        self.message: ToEngine | None = None


class GrammarProcess:
    """A process that holds a grammar; it ends with this object, or where it takes too long.

    Used by one thread at a time.
    """

    def __init__(
        self, sock: socket.socket, pid: int, server: GrammarServer, base_bytes: int
    ) -> None:
        sock.settimeout(STEP.wall_s)  # for the rest of a message that has begun
        self._link = Link[ToEngine](sock, msgspec.msgpack.Decoder(ToEngine))
        self.pid, self._server, self._base = pid, server, base_bytes
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._waiting: deque[Reply] = deque()
        self._since = 0.0, 0.0  # processor time and time when the first of these was its turn
        self._told_s = 0.0  # processor time that the server was told
        self._left: list[int] = []  # places that no answer is at any more
        self._places = 0
        self._why = ""  # it has ended
        self.end = weakref.finalize(self, _end, sock, server.control, pid)

    @property
    def alive(self) -> bool:
        """Whether it can be asked; for any thread."""
        poll = select.poll()
        with suppress(ValueError):  # it was closed
            poll.register(self._link.socket, 0)  # hang-ups are reported all the same
            return not (self._why or poll.poll(0))
        return False

    @property
    def held_bytes(self) -> int:
        """The memory that it does not share."""
        with suppress(OSError, ValueError):
            more = own_bytes(Path(f"/proc/{self.pid}/statm")) - self._base
            return BASE_BYTES + max(0, more)
        return 0

    def place(self, owner: object) -> int:
        """Return the number of a new place at the beginning, for as long as `owner` is there."""
        self._places += 1
        weakref.finalize(owner, self._left.append, self._places).atexit = False
        return self._places

    def ask(self, message: FromEngine) -> Reply:
        """Send a question; `wait` for its reply."""
        reply = Reply()
        if not self._waiting:
            self._since = self.used()
        self._waiting.append(reply)
        try:
            if self._left:
                left = self._left[:]
                del self._left[: len(left)]
                self._link.send(Leave(left))
            self._link.send(message)
        except TimeoutError:
            self._stop("wall")
        except OSError:
            pass  # the caller of `wait` learns that it has ended
        return reply

    def wait(
        self, reply: Reply, limits: TimeLimits, wanted: Callable[[float], bool] = lambda _: True
    ) -> ToEngine:
        """Return the reply; raises Ended where there is none within the limits.

        `wanted` is called with the processor time that the process has taken for it, in seconds.
        """
        if not limits.idle_s:
            self._give_way()
        while not self.arrives(reply, limits, LOOK_S):
            if not wanted(self.used()[0] - self._since[0]):
                self._stop("unwanted")
        if reply.message is None:
            raise Ended(self._why)
        return reply.message

    def arrives(self, reply: Reply, limits: TimeLimits, wait_s: float) -> bool:
        """Return whether `wait` would not have to wait, or has not after so many seconds."""
        until_s = time.monotonic() + wait_s
        while reply.message is None and not self._why:
            left_s = max(0.0, until_s - time.monotonic())
            if self._poll.poll(min(left_s, LOOK_S) * 1000):
                self._receive()
            elif why := self._late(limits):
                self._stop(why)
            elif not left_s:
                return False
        return True

    def _receive(self) -> None:
        try:
            message = self._link.receive()
            if isinstance(message, Cut):
                self._link.send(Tokens(self._server.cut(message.text)))
                self._since = self._since[0], time.monotonic()  # it waited for this
                return
        except Unavailable:  # the model was unloaded
            self._stop("unwanted")
        except TimeoutError:
            self._stop("wall")
        except (OSError, EOFError, msgspec.DecodeError):
            self._stop(self._server.why(self.pid))
        else:
            self._waiting.popleft().message = message
            self._since = self.used()

    def _late(self, limits: TimeLimits) -> str:
        cpu_s, wall_s = (now - begin for now, begin in zip(self.used(), self._since, strict=True))
        if cpu_s >= limits.idle_s:
            self._give_way()
        if cpu_s >= limits.cpu_s:
            return "cpu"
        return "wall" if wall_s >= limits.wall_s else ""

    def _give_way(self) -> None:
        with suppress(OSError):
            os.sched_setscheduler(self.pid, os.SCHED_IDLE, os.sched_param(0))

    def used(self) -> tuple[float, float]:
        """Return the processor's seconds that it has had, which are counted, and the time."""
        with suppress(OSError):  # it has ended, which is found out by reading
            cpu_s = time.clock_gettime(~self.pid << 3 | 2)
            self._server.helped(cpu_s - self._told_s)
            self._told_s = cpu_s
            return cpu_s, time.monotonic()
        return self._since

    def _stop(self, why: str) -> None:
        self._why = why
        self.end()


def _end(sock: socket.socket, control: socket.socket, pid: int) -> None:
    """End a process, and wait for nothing: socket.send() would, for room."""
    sock.close()
    with suppress(OSError):
        os.write(control.fileno(), ORDER.pack(END, pid))


class GrammarServer:
    """The process that has a vocabulary, which it shares with those of grammars that it starts.

    Raises Ended where it has ended.
    """

    def __init__(
        self,
        table: Table,
        cut: Callable[[str], list[int]],
        helped: Callable[[float], None] = lambda cpu_s: None,
    ) -> None:
        """Start it, which takes about a second; `cut` makes tokens of a text.

        `helped` is told the processor's seconds of the processes that it starts. Linux ends it with
        the thread that calls this.
        """
        self.cut, self.helped, self._asking = cut, helped, RLock()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        file = os.memfd_create("vocabulary")
        with theirs, os.fdopen(file, "wb") as written:
            written.write(msgspec.msgpack.encode(table))
            written.flush()
            os.lseek(file, 0, os.SEEK_SET)
            self._process = subprocess.Popen(
                [*_COMMAND, str(file)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd="/",
                env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # each takes 128 MB of addresses
                pass_fds=[file],
            )
        self.control.settimeout(START_S)
        self._coming: socket.socket | None = None  # to the process that was ordered
        self._spare: GrammarProcess | None = None  # which has come
        self.free = self._receive(len(table.pieces))  # the mask of any text
        self.control.settimeout(STEP.wall_s)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def take(self) -> GrammarProcess:
        """Return a process for a grammar, and have one started for the next."""
        with self._asking:
            if self._coming is None:
                self._order()
            found = self._arrived()
            self._order()
        return found

    def why(self, pid: int) -> str:
        """Return why a process that has left its socket ended; see Ended."""
        code, until_s = RUNNING, time.monotonic() + STEP.wall_s
        while code == RUNNING and time.monotonic() < until_s:
            try:
                code = self._exit_code(pid)
            except (OSError, Ended):
                return "killed"  # with this one
            if code == RUNNING:
                time.sleep(LOOK_S)
        if code in (-signal.SIGKILL, RUNNING):
            return "killed"
        return "memory" if code in (NO_MEMORY, -signal.SIGABRT) else "crashed"

    def _exit_code(self, pid: int) -> int:
        with self._asking:
            self._spare = self._arrived()
            self.control.send(ORDER.pack(ASK, pid))
            return NUMBER.unpack(self._receive(NUMBER.size))[0]

    def close(self) -> None:
        """End this process, and with it all that it started."""
        self._process.kill()
        self._process.wait()
        with self._asking:  # who has it hears at once that there is no reply
            if self._coming is not None:
                self._coming.close()
            self.control.close()
            self._coming = self._spare = None

    def _order(self) -> None:
        """Have a process started, which is there when `_arrived` is called."""
        self._coming, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self.control, [ORDER.pack(FORK, 0)], [theirs.fileno()])
            except OSError as error:
                raise self._lost() from error

    def _arrived(self) -> GrammarProcess:
        """Return the process that was ordered."""
        if self._spare is None:
            if self._coming is None:  # closed
                raise self._lost()
            base_bytes = own_bytes(Path(f"/proc/{self._process.pid}/statm"))
            (pid,) = NUMBER.unpack(self._receive(NUMBER.size))
            return GrammarProcess(self._coming, pid, self, base_bytes)
        found, self._spare = self._spare, None
        return found

    def _receive(self, size: int) -> bytes:
        with suppress(OSError):
            if reply := self.control.recv(size):
                return reply
        raise self._lost()

    def _lost(self) -> Ended:
        self.close()
        return Ended("killed")
