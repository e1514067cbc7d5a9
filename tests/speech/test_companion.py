"""The companion's process: its pace, its end, and what that costs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import EngineError, RequestError, Unavailable
from edge_rt.core.system.process import stat_fields
from edge_rt.speech.companion import LONGEST_REST_S, PERIOD_S, STILL_S, Companion
from edge_rt.speech.protocol import Segment, Transcribe, Transcript

# It answers with what the task's prompt says, and waits for a file of the name before "end".
TOY = """
import sys, time, msgspec
from pathlib import Path
from edge_rt.core.system.process import frames, write_frame
from edge_rt.speech.protocol import Transcript, SpeechRefusal, Segment, Transcribe
def tell(reply):
    write_frame(sys.stdout.buffer, msgspec.msgpack.encode(reply))
for content in frames(sys.stdin.buffer):
    task = msgspec.msgpack.decode(content, type=Transcribe)
    tell(Segment(0.0, 1.0, f"{task.threads} threads"))
    if task.prompt == "refuse":
        tell(SpeechRefusal("not so", "file", "bad"))
        continue
    if task.prompt == "fail":
        tell(SpeechRefusal("a library failed"))
        continue
    while task.prompt == "hang":
        time.sleep(3600)
    while task.prompt and not Path(task.prompt).exists():
        time.sleep(0.01)
    tell(Transcript(1.0, "en", []))
"""


class Clock:
    """A clock that only pauses move: the process is stopped in those of rest, and in no others."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.looks: list[float] = []
        self.on_look: Callable[[], None] = lambda: None
        self.companion: Companion | None = None

    def __call__(self) -> float:
        return self.now_s

    async def pause(self, seconds: float) -> None:
        assert self.companion is not None
        pid = self.companion.pid
        assert pid is not None
        stopped = seconds != PERIOD_S  # a signal takes a while to reach the process
        while (stat_fields(Path(f"/proc/{pid}/stat").read_bytes())[0] == b"T") != stopped:
            await asyncio.sleep(0.001)
        self.looks.append(seconds)
        await asyncio.sleep(0.001)
        self.now_s += seconds
        self.on_look()


def make(clock: Clock, idle_s: float = 60.0) -> Companion:
    command = (sys.executable, "-c", TOY)
    clock.companion = Companion(command, idle_s=idle_s, clock=clock, pause=clock.pause)
    return clock.companion


def task(prompt: str = "") -> Callable[[int], Transcribe]:
    return lambda threads: Transcribe("model", threads, b"", 1.0, prompt=prompt)


def nothing(begin_s: float, end_s: float, busy: bool) -> None:
    pass


async def done(companion: Companion, prompt: str = "", worked: Any = nothing) -> list[Any]:
    async with companion.turn():
        return [event async for event in companion.run(task(prompt), worked)]


def run(companion: Companion, story: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        try:
            await asyncio.wait_for(story, 60)
        finally:
            await companion.close()

    asyncio.run(whole())


def test_tasks_are_done_by_one_process_with_the_threads_allowed() -> None:
    companion = make(Clock())

    async def story() -> None:
        companion.limit(3, 1.0)
        assert await done(companion) == [Segment(0.0, 1.0, "3 threads"), Transcript(1.0, "en", [])]
        pid = companion.pid
        assert companion.holds("model")
        await done(companion)
        assert companion.pid == pid

    run(companion, story())


def test_one_that_is_idle_ends_where_others_need_its_memory() -> None:
    companion = make(Clock())

    async def story() -> None:
        assert companion.idle_bytes == 0
        assert not await companion.spare()
        await done(companion)
        async with companion.turn():
            assert companion.idle_bytes == 0, "it has work"
            assert not await companion.spare()
        assert companion.holds("model")
        assert companion.idle_bytes > 1 << 20
        assert await companion.spare()
        assert companion.pid is None
        assert await done(companion)

    run(companion, story())


@pytest.mark.parametrize("duty", [0.25, 0.1])
def test_below_full_duty_the_process_is_stopped_for_the_rest_of_the_time(
    duty: float, tmp_path: Path
) -> None:
    clock = Clock()
    companion, go = make(clock), tmp_path / "go"
    spans: list[tuple[float, float, bool]] = []
    clock.on_look = lambda: clock.now_s > 20.0 and go.touch()  # type: ignore[assignment]

    async def story() -> None:
        companion.limit(1, duty)
        await done(companion, str(go), lambda *span: spans.append(span))

    run(companion, story())
    assert max(clock.looks) <= LONGEST_REST_S
    busy_s = sum(end_s - begin_s for begin_s, end_s, busy in spans if busy)
    assert busy_s / clock.now_s == pytest.approx(duty, rel=0.1)
    assert companion.busy_s == pytest.approx(busy_s)
    # Every moment is told of once.
    assert [begin_s for begin_s, _, _ in spans[1:]] == [end_s for _, end_s, _ in spans[:-1]]


def test_without_any_duty_it_stands_still_until_there_is_some(tmp_path: Path) -> None:
    clock = Clock()
    companion, go = make(clock), tmp_path / "go"

    def look() -> None:
        if len(clock.looks) == 9:
            companion.limit(1, 1.0)
            go.touch()

    clock.on_look = look

    async def story() -> None:
        companion.limit(1, 0.0)
        assert isinstance((await done(companion, str(go)))[-1], Transcript)

    run(companion, story())
    assert clock.looks[:9] == [PERIOD_S, *[LONGEST_REST_S] * 8]


def test_its_end_costs_the_task_at_work_and_the_next_gets_another_process(tmp_path: Path) -> None:
    companion = make(Clock())

    async def story() -> None:
        async with companion.turn():
            events = companion.run(task(str(tmp_path / "never")), nothing)
            await anext(events)
            assert companion.pid is not None
            os.kill(companion.pid, signal.SIGKILL)
            with pytest.raises(Unavailable, match="send it again") as lost:
                await anext(events)
        assert lost.value.retry_after_s is not None
        assert not companion.holds("model")
        assert isinstance((await done(companion))[-1], Transcript)

    run(companion, story())


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    clock = Clock()
    companion = make(clock)

    async def story() -> None:
        with pytest.raises(Unavailable, match="send it again"):
            await done(companion, "hang")
        assert isinstance((await done(companion))[-1], Transcript)

    run(companion, story())
    assert sum(clock.looks) > STILL_S


def test_a_client_that_leaves_ends_the_process_and_so_its_work(tmp_path: Path) -> None:
    companion = make(Clock())

    async def story() -> None:
        async with companion.turn():
            events = companion.run(task(str(tmp_path / "never")), nothing)
            await anext(events)
            pid = companion.pid
            await events.aclose()
        assert pid is not None
        assert not Path(f"/proc/{pid}").exists()
        assert companion.running == 0

    run(companion, story())


def test_what_it_refuses_is_the_requests_fault_and_what_fails_is_not() -> None:
    companion = make(Clock())

    async def story() -> None:
        with pytest.raises(RequestError, match="not so") as refused:
            await done(companion, "refuse")
        assert (refused.value.param, refused.value.code) == ("file", "bad")
        pid = companion.pid
        with pytest.raises(EngineError, match="a library failed"):
            await done(companion, "fail")
        assert companion.pid == pid

    run(companion, story())


def test_it_ends_when_it_had_nothing_to_do_for_long() -> None:
    companion = make(Clock(), idle_s=0.01)

    async def story() -> None:
        await done(companion)
        pid = companion.pid
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)
        assert companion.pid is None
        assert isinstance((await done(companion))[-1], Transcript)

    run(companion, story())


def test_a_command_that_cannot_start_is_told_as_later_perhaps() -> None:
    companion = Companion(("/no/such/program",), idle_s=1.0)

    async def story() -> None:
        with pytest.raises(Unavailable):
            await done(companion)

    run(companion, story())
