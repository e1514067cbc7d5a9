"""An engine is always there again, and gone when it shall be."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge_rt.core.errors import EngineStopped, Unavailable
from edge_rt.engine.channel import Doing, Heartbeat
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.hang_detector import HangDetector
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.process import CheckpointMemory, CrashDiagnosis, ExitReason
from edge_rt.engine.supervisor import FIRST_WAIT_S, LONGEST_WAIT_S, Supervisor

CHILD = """
import os, signal, socket, sys
from edge_rt.engine.channel import Frames, encode, engine_decoder
from edge_rt.engine.protocol import Hello, Ping, Pong, Shutdown, VERSION
sock = socket.socket(fileno=int(sys.argv[2]))
sock.sendall(encode(Hello(VERSION, os.getpid(), {})))
if sys.argv[1] == "stubborn":
    while True:
        signal.pause()
frames, decoder = Frames(), engine_decoder()
while data := sock.recv(1 << 16):
    for message in map(decoder.decode, frames.feed(data)):
        if isinstance(message, Ping):
            sock.sendall(encode(Pong(message.nonce, 1, 1, 0, 0, 0, 0.0, 0.0)))
        if isinstance(message, Shutdown):
            sys.exit(7)
"""
POLITE = (sys.executable, "-c", CHILD, "polite")
STUBBORN = (sys.executable, "-c", CHILD, "stubborn")
MUTE = (shutil.which("sleep") or "sleep", "1000")  # its last argument: 1000 and some seconds
KILLED = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
EXITS: list[ExitReason] = []


class Pauses:
    """Stands for the waits between engines; the test lets the first `free` of them pass."""

    def __init__(self, free: int) -> None:
        self.seen: list[float] = []
        self.over = asyncio.Event()
        self._free = free

    async def __call__(self, seconds: float) -> None:
        self.seen.append(seconds)
        if len(self.seen) > self._free:
            self.over.set()
            await asyncio.Event().wait()


def supervised(
    command: tuple[str, ...], *, free: int = 0, **options: Any
) -> Callable[[Callable[[Supervisor, Pauses], Coroutine]], Callable[[], None]]:
    """Run an async test with a started supervisor, and see that no process of it is left."""

    def decorate(test: Callable[[Supervisor, Pauses], Coroutine]) -> Callable[[], None]:
        async def run() -> None:
            pauses = Pauses(free)
            supervisor = Supervisor(command, pause=pauses, **options)
            before = psutil.Process().children()
            assert supervisor.pid is supervisor.current is None
            supervisor.start()
            try:
                await asyncio.wait_for(test(supervisor, pauses), 30)
            finally:
                await asyncio.wait_for(supervisor.stop(), 30)
            assert set(psutil.Process().children()) <= set(before)  # others may have ended

        def wrapper() -> None:
            asyncio.run(run())

        wrapper.__name__, wrapper.__doc__ = test.__name__, test.__doc__
        return wrapper

    return decorate


@contextmanager
def listening() -> Generator[list[logging.LogRecord]]:
    """Return what the supervisor's log says meanwhile."""
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append
    logger = logging.getLogger("edge_rt.engine.supervisor")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


@supervised(POLITE)
async def test_the_engine_is_started_and_heard(supervisor: Supervisor, pauses: Pauses) -> None:
    client = await supervisor.client()
    assert (await client.ping()).rss_bytes == 1
    assert supervisor.current is client
    assert supervisor.pid == client.hello.pid
    assert psutil.Process(supervisor.pid).ppid() == os.getpid()
    assert supervisor.restarts == 0


@pytest.mark.parametrize("least", [0, 200, 900])
def test_where_memory_is_short_the_engine_goes_before_the_front(least: int) -> None:
    """From its birth on: one that starts is smaller than the front."""
    own = Path("/proc/self/oom_score_adj")  # 200 is what systemd gives to a user's programs
    before = own.read_text()
    front = max(least, int(before))

    @supervised(POLITE)
    async def run(supervisor: Supervisor, pauses: Pauses) -> None:
        await supervisor.client()
        engine = int(Path(f"/proc/{supervisor.pid}/oom_score_adj").read_text())
        assert engine == min(front + 500, 1000)

    own.write_text(str(front))
    try:
        run()
    finally:
        own.write_text(before)


@supervised(POLITE, free=1)
async def test_a_killed_engine_is_started_again(supervisor: Supervisor, pauses: Pauses) -> None:
    first = await supervisor.client()
    os.kill(supervisor.pid, signal.SIGKILL)
    await first.lost.wait()
    second = await supervisor.client()
    assert second is not first
    await second.ping()
    assert supervisor.restarts == 1
    assert pauses.seen == [FIRST_WAIT_S]


def open_pages() -> int:
    """Count the open descriptors of heartbeats, without those of engines that are gone."""
    gc.collect()  # they hold theirs until then
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the folder itself
            count += path.readlink().name.startswith("memfd:edge_rt engine")
    return count


@supervised(POLITE, free=9)
async def test_an_engine_that_is_replaced_leaves_no_descriptor_open(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    opened: list[int] = []
    for _ in range(4):
        client = await supervisor.client()
        os.kill(supervisor.pid, signal.SIGKILL)
        await client.exit_reason
        after = await supervisor.client()
        assert after is not client
        opened.append(open_pages())
    assert opened[1:] == [opened[0]] * 3


class Blind(HangDetector):
    """Fails at its first look."""

    async def keep(self, client: EngineClient, beat: Heartbeat) -> None:
        raise RuntimeError("cannot look")


@supervised(POLITE, hang_detector=Blind(lambda client, doing: 0.0))
async def test_a_vigil_that_fails_says_so_at_once_and_harms_nothing(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    with listening() as said:
        client = await supervisor.client()
        await client.ping()
    assert [(one.levelname, str(one.exc_info and one.exc_info[1])) for one in said] == [
        ("ERROR", "cannot look")
    ]


@supervised(POLITE)
async def test_while_there_is_no_engine_nobody_gets_one(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    client = await supervisor.client()
    os.kill(supervisor.pid, signal.SIGKILL)
    await pauses.over.wait()
    assert supervisor.pid is supervisor.current is None
    with pytest.raises(Unavailable, match="log says why"):
        await supervisor.client(wait_s=0.0)
    assert client.lost.is_set()


@supervised(POLITE, grace_s=0.0)
async def test_a_lost_connection_is_handed_out_no_more(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    client = await supervisor.client()
    client.lost.set()  # nothing else has noticed yet
    assert supervisor.current is None


@supervised(POLITE)
async def test_stopping_is_polite(supervisor: Supervisor, pauses: Pauses) -> None:
    await supervisor.client()
    process = supervisor._process
    await supervisor.stop()
    assert process.returncode == 7  # the child's answer to Shutdown


@supervised(POLITE)
async def test_who_waits_for_the_reason_of_an_end_is_told_when_the_daemon_stops(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    client = await supervisor.client()
    await supervisor.stop()
    assert (await asyncio.wait_for(client.exit_reason, 30)).why == "the daemon let go of it"


@supervised(STUBBORN, grace_s=0.0)
async def test_an_engine_that_does_not_go_is_killed(supervisor: Supervisor, pauses: Pauses) -> None:
    await supervisor.client()
    process = supervisor._process
    await supervisor.stop()
    assert process.returncode == -signal.SIGKILL


@supervised((shutil.which("false") or "false",), free=9)
async def test_the_wait_grows_while_engines_die_at_once(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    await pauses.over.wait()
    assert pauses.seen[:3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert pauses.seen[-1] == LONGEST_WAIT_S
    assert sorted(pauses.seen) == pauses.seen
    assert supervisor.restarts == len(pauses.seen)


@supervised(("/nonexistent/engine",), free=2)
async def test_an_engine_that_cannot_be_started_is_tried_again(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    await pauses.over.wait()
    assert len(pauses.seen) == 3


class Short(CrashDiagnosis):
    """Of a kernel that kills whenever an engine starts."""

    def exit_reason(self, code: int, doing: Doing) -> ExitReason:
        assert code == -signal.SIGKILL
        return ExitReason("memory was short", short_of_memory=True)


@supervised(KILLED, free=1, diagnosis=Short, on_exit=EXITS.append)
async def test_why_an_engine_did_not_even_start_is_told(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    with listening() as said:
        await pauses.over.wait()
    assert [("memory was short" in one.getMessage(), one.levelname) for one in said] == [
        (True, "ERROR")
    ] * 2
    assert supervisor.exit_reason == ExitReason("memory was short", short_of_memory=True)
    assert EXITS[-2:] == [supervisor.exit_reason] * 2  # so that nothing is loaded again
    with pytest.raises(Unavailable, match=r"memory was short.*end other programs") as caught:
        await supervisor.client(wait_s=0.0)
    assert caught.value.code == "out_of_memory"


@supervised(MUTE)
async def test_who_waits_for_an_engine_is_told_when_the_daemon_stops(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    waiting = asyncio.ensure_future(supervisor.client())
    await asyncio.sleep(0)
    await supervisor.stop()
    with pytest.raises(EngineStopped, match="the daemon stopped"):
        await waiting


@supervised(MUTE, free=1, hello_s=0.01, grace_s=0.0)
async def test_an_engine_that_never_says_hello_is_replaced(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    await pauses.over.wait()
    assert supervisor.restarts == 2
    assert supervisor.current is None


@supervised(POLITE, free=50, hello_s=0.001)
async def test_an_engine_that_starts_slowly_gets_longer_each_time(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    assert (await supervisor.client(wait_s=120.0)).hello is not None
    assert supervisor.restarts > 0


@supervised(POLITE)
async def test_stopping_while_the_engine_starts(supervisor: Supervisor, pauses: Pauses) -> None:
    while supervisor._process is None:
        await asyncio.sleep(0)
    await supervisor.stop()  # and its child hears that the socket is closed
    assert supervisor._process.returncode is not None
    assert supervisor._process.returncode != -signal.SIGKILL


@supervised(POLITE, free=9)
async def test_how_an_engine_ended_is_told(supervisor: Supervisor, pauses: Pauses) -> None:
    for sign, outside in ((signal.SIGKILL, True), (signal.SIGSEGV, False)):
        client = await supervisor.client()
        os.kill(supervisor.pid, sign)
        exit_reason = await asyncio.wait_for(client.exit_reason, 30)
        assert (exit_reason.outside, exit_reason) == (outside, supervisor.exit_reason)
        assert sign.name in exit_reason.why


@supervised(POLITE, free=9, checkpoints=CheckpointMemory(1 << 20))
async def test_checkpoints_are_for_the_next_engine_after_an_end_from_outside(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    """Whatever else it was that ended an engine may lie in them."""
    key = b"k" * 32
    for sign, kept in ((signal.SIGKILL, 1), (signal.SIGKILL, 1), (signal.SIGSEGV, 0)):
        client = await supervisor.client()
        open_files = Path(f"/proc/{supervisor.pid}/fd").iterdir()
        [memory] = [one for one in open_files if "checkpoints" in one.readlink().name]
        fd = os.open(memory, os.O_RDWR)
        Checkpoints(fd).put(None, key, [1, 2], b"state")
        os.kill(supervisor.pid, sign)
        await client.exit_reason
        after = await supervisor.client()
        assert after is not client
        assert len(list(Checkpoints(fd).orphans(key))) == kept
        Checkpoints.clear(fd)
        os.close(fd)


@supervised(POLITE, free=9)
async def test_an_engine_that_is_condemned_ends_so(supervisor: Supervisor, pauses: Pauses) -> None:
    client = await supervisor.client()
    exit_reason = ExitReason("its model makes no sense", frozenset({1}))
    client.terminate(exit_reason)
    client.terminate(ExitReason("too late"))
    assert await asyncio.wait_for(client.exit_reason, 30) is exit_reason
    assert await supervisor.client() is not client


@supervised(POLITE, free=9)
async def test_an_end_from_outside_does_not_lengthen_the_wait(
    supervisor: Supervisor, pauses: Pauses
) -> None:
    for sign in (signal.SIGSEGV, signal.SIGSEGV, signal.SIGKILL, signal.SIGKILL):
        client = await supervisor.client()
        os.kill(supervisor.pid, sign)
        await client.exit_reason
    await supervisor.client()
    assert pauses.seen == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, FIRST_WAIT_S, FIRST_WAIT_S]


def test_a_stopped_engine_is_noticed_and_replaced() -> None:
    exits: list[ExitReason] = []

    @supervised(POLITE, free=9, on_exit=exits.append)
    async def run(supervisor: Supervisor, pauses: Pauses) -> None:
        client = await supervisor.client()
        os.kill(supervisor.pid, signal.SIGSTOP)
        with pytest.raises(EngineLost):
            await client.ping()
        assert await supervisor.client() is not client
        assert (await client.exit_reason).outside
        assert exits == [await client.exit_reason]

    run()


def test_every_engine_is_greeted_before_others_have_it() -> None:
    greeted: list[EngineClient] = []
    faults = [EngineLost("gone")]

    def greet(client: EngineClient) -> None:
        if faults:
            client.close()
            raise faults.pop()
        greeted.append(client)

    @supervised(POLITE, free=2, greet=greet)
    async def run(supervisor: Supervisor, pauses: Pauses) -> None:
        first = await supervisor.client()
        assert greeted == [first]
        os.kill(supervisor.pid, signal.SIGKILL)
        await first.lost.wait()
        assert greeted == [first, await supervisor.client()]
        assert supervisor.restarts == 2  # one died while it was greeted

    run()


def test_an_engine_that_nobody_gets_is_ended() -> None:
    faults = [RuntimeError("a fault of ours")]
    told: list[int] = []

    def greet(client: EngineClient) -> None:
        assert client.hello is not None
        told.append(client.hello.pid)
        if faults:
            raise faults.pop()

    @supervised(POLITE, free=9, greet=greet)
    async def run(supervisor: Supervisor, pauses: Pauses) -> None:
        await supervisor.client()
        assert [child.pid for child in psutil.Process().children()] == told[1:]

    run()


def test_stopping_what_was_never_started() -> None:
    async def run() -> None:
        await Supervisor().stop()

    asyncio.run(run())
