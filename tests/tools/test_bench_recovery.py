"""The benchmark of recovery: how long streams stood still, and whether they said the same."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import Any

import pytest
from benchlib import BenchError
from benchlib.chaos import ON_ITS_WAY_S, Chaos, Pause, Stream, longest_s, pause_s, pauses
from benchlib.chat import Reply
from benchlib.http import Address


def test_a_pause_ends_with_what_was_made_after_it() -> None:
    on_its_way = 2.0 + ON_ITS_WAY_S / 2
    assert pause_s([1.0, 1.5, on_its_way, 3.25, 4.0], 2.0) == 1.25
    assert pause_s([1.0, on_its_way], 2.0) is None


def test_all_streams_have_to_go_on() -> None:
    assert longest_s([1.0, 0.5]) == 1.0
    assert longest_s([1.0, None]) is None
    assert longest_s([]) is None


def test_an_engine_may_be_hit_again_before_streams_go_on() -> None:
    streams = [[1.0, 4.0, 6.0], [4.5, 6.5]]
    assert pauses(streams, [2.0, 3.0, 5.0, 7.0]) == [
        Pause(2.5, again=True, streams=(2.0, 2.5)),
        Pause(1.5, streams=(1.0, 1.5)),
        Pause(1.5, streams=(1.0, 1.5)),
        Pause(None, streams=(None, None)),
    ]


class Scripted(Stream):
    """Says what it is given, one after the other."""

    def __init__(self, *said: str | BenchError) -> None:
        super().__init__(Address(), {}, reference="a b")
        self._said = list(said)

    async def ask(self) -> Reply:
        await asyncio.sleep(0)
        said = self._said.pop(0)
        if isinstance(said, BenchError):
            raise said
        return Reply(0.0, (1.0, 2.0), 1, 0, 2, said)


def test_every_answer_is_held_against_the_first() -> None:
    stream = Scripted("a b", "a c", BenchError("refused"), "a b")
    asyncio.run(stream.run(lambda: not stream._said))
    assert stream.ended == 3
    assert stream.wrong == ["other text from character 2 of 3 of an answer", "refused"]
    assert stream.texts_s == [1.0, 2.0] * 3


class Engine:
    """One that runs, by its process id."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def status(self) -> str:
        return "running"

    def cmdline(self) -> list[str]:
        return ["python", "-m", "edge_rt.engine.worker", "5", "6"]


def test_engines_are_hit_as_often_as_asked_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was hit is to be seen for a while; number 2 goes by itself before it is hit."""
    hit: list[tuple[int, signal.Signals]] = []
    engines = [Engine(1)]

    class Front:
        def children(self) -> list[Any]:
            return list(engines)

    def kill(pid: int, sign: signal.Signals) -> None:
        engines[:] = [Engine(pid), Engine(pid + 1)] if pid != 2 else [Engine(3)]
        if pid == 2:
            raise ProcessLookupError
        hit.append((pid, sign))

    monkeypatch.setattr("os.kill", kill)
    stream = Scripted(*["a b"] * 100_000)
    chaos = Chaos(Front(), [stream], random.Random(1), 0.01, clock=lambda: 1.5)  # type: ignore
    assert asyncio.run(chaos.strike(signal.SIGSTOP, 3))[-1] == Pause(0.5, streams=(0.5,))
    assert hit == [(pid, signal.SIGSTOP) for pid in (1, 3, 4)]


@pytest.mark.parametrize(("first_s", "counts"), [(1.0, False), (1.5, False), (2.0, True)])
def test_a_kill_counts_if_the_answer_had_not_begun(
    monkeypatch: pytest.MonkeyPatch, first_s: float, counts: bool
) -> None:
    """The engine is killed at 1.5 s."""

    class Front:
        def children(self) -> list[Any]:
            return [Engine(1)]

    async def ask() -> Reply:
        return Reply(0.0, (first_s,), 1, 0, 1, "a")

    monkeypatch.setattr("os.kill", lambda pid, sign: None)
    chaos = Chaos(Front(), [], random.Random(1), 0.01, clock=lambda: 1.5)  # type: ignore
    strike = chaos.strike_prompt(ask, 0.0)
    if counts:
        assert asyncio.run(strike).ttft_s == first_s
        return
    with pytest.raises(BenchError, match="had begun"):
        asyncio.run(strike)
