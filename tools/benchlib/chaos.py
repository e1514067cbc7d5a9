"""Streams that go on for ever, and an engine under them that is ended again and again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psutil

from benchlib import BenchError
from benchlib.chat import Reply, parse
from benchlib.http import Address, fetch
from edge_rt.engine.kv.prefix_shelf import common_prefix

_LOOK_S = 0.01
_WORKER = "edge_rt.engine.worker"
_GONE_S = 60.0  # that streams may stand still
_PROMPT_S = 600.0  # that a long prompt and the restart in the middle of it may take


@dataclass
class Stream:
    """One client: asks the same again and again, and holds every answer against the first."""

    address: Address
    body: dict[str, Any]
    reference: str = ""
    texts_s: list[float] = field(default_factory=list[float])
    ended: int = 0
    wrong: list[str] = field(default_factory=list[str])  # what was not as it should be

    async def ask(self) -> Reply:
        """One answer."""
        return parse(await fetch(self.address, "POST", "/v1/chat/completions", self.body))

    async def run(self, stop: Callable[[], bool]) -> None:
        """Ask until `stop`; the last answer comes to its end."""
        while not stop():
            try:
                reply = await self.ask()
            except BenchError as error:
                self.wrong.append(str(error))
                await asyncio.sleep(_LOOK_S)
                continue
            self.ended += 1
            self.texts_s += reply.texts_s
            if reply.text != self.reference:
                self.wrong.append(f"{_parting(reply.text, self.reference)} of an answer")


@dataclass
class Chaos:
    """Ends engines of the daemon `front` at random moments, those of their restart among them."""

    front: psutil.Process
    streams: list[Stream]
    dice: random.Random
    most_s: float  # between two ends
    at_s: list[float] = field(default_factory=list[float])
    clock: Callable[[], float] = time.perf_counter
    _hits: set[int] = field(default_factory=set[int])  # process ids

    async def strike(self, sign: signal.Signals, times: int) -> list[Pause]:
        """So often; gives how long the streams stood still each time."""
        done = False
        tasks = [asyncio.create_task(stream.run(lambda: done)) for stream in self.streams]
        try:
            struck: list[float] = []
            for _ in range(times):
                await asyncio.sleep(self.dice.uniform(0.0, self.most_s))
                await self._hit(sign)
                struck.append(self.clock())
            done = True
            await asyncio.wait_for(asyncio.gather(*tasks), _GONE_S * times)
        finally:
            for task in tasks:
                task.cancel()
        return pauses([stream.texts_s for stream in self.streams], struck)

    async def strike_prompt(
        self, ask: Callable[[], Coroutine[Any, Any, Reply]], wait_s: float
    ) -> Reply:
        """Kill the engine `wait_s` after `ask` began; gives the answer, if it had not begun."""
        asked = asyncio.create_task(ask())
        try:
            await asyncio.sleep(wait_s)
            await self._hit(signal.SIGKILL)
            struck_s, reply = self.clock(), await asyncio.wait_for(asked, _PROMPT_S)
        finally:
            asked.cancel()
        if reply.first_s <= struck_s + ON_ITS_WAY_S:
            raise BenchError("the answer had begun before the engine was killed")
        return reply

    async def _hit(self, sign: signal.Signals) -> None:
        """Hit the next engine that was not, once there is one that runs."""
        begin_s = self.clock()
        while self.clock() - begin_s < _GONE_S:
            for child in self.front.children():
                if child.pid not in self._hits and _is_engine(child):
                    with suppress(ProcessLookupError):  # it went just now
                        os.kill(child.pid, sign)
                        self._hits.add(child.pid)
                        return
            await asyncio.sleep(_LOOK_S)
        raise BenchError(f"there was no engine for {_GONE_S:.0f} s")


def _is_engine(process: psutil.Process) -> bool:
    try:
        runs = process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED)
        return runs and _WORKER in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _parting(text: str, reference: str) -> str:
    same = common_prefix(text, reference)
    return f"other text from character {same} of {len(reference)}"


ON_ITS_WAY_S = 0.05  # what came within was made before


class Pause(NamedTuple):
    """How long all streams together stood still, and each of `streams`; None: for ever. Perhaps
    they were hit `again`.
    """

    seconds: float | None
    again: bool = False
    streams: tuple[float | None, ...] = ()


def pauses(streams: Sequence[Sequence[float]], struck_s: Sequence[float]) -> list[Pause]:
    """Return the pauses of the streams after each end of the engine, at rising times."""
    found: list[Pause] = []
    for at_s, next_s in zip(struck_s, [*struck_s[1:], float("inf")], strict=True):
        each = tuple(pause_s(texts_s, at_s) for texts_s in streams)
        seconds = longest_s(each)
        found.append(Pause(seconds, seconds is not None and at_s + seconds > next_s, each))
    return found


def pause_s(texts_s: Sequence[float], at_s: float) -> float | None:
    """From the engine's end until a stream goes on; None where nothing came any more.

    `texts_s` are the times of its pieces of text, rising.
    """
    place = bisect_right(texts_s, at_s + ON_ITS_WAY_S)
    return texts_s[place] - at_s if place < len(texts_s) else None


def longest_s(found: Sequence[float | None]) -> float | None:
    """Until all of them go on; None where one does not."""
    known = [pause for pause in found if pause is not None]
    return max(known) if known and len(known) == len(found) else None
