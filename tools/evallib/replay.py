"""A workload as it comes, whatever becomes of the requests before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from benchlib import BenchError
from benchlib.http import fetch

from evallib import EvalError
from evallib.asker import Asker, Reply, Unanswered, question
from evallib.meter import Meter
from evallib.record import Course
from evallib.rounds import FAILURES, Sampling
from evallib.way import Way
from evallib.workload import Request

_REST_S = 3.0  # in which is measured what the board draws at rest
_OTHER = "Hello."


@dataclass(frozen=True)
class Outcome:
    """A request, how it was asked, and its answer after `seconds`; else `failed` says why."""

    request: Request
    way: Way
    seconds: float
    reply: Reply | None
    failed: str | None = None


@dataclass
class Replay:
    """Sends each request when it is due. Idle times longer than `idle_s` are cut short to that.

    With `forgets` the router forgets before each request what it has learnt.
    """

    asker: Asker
    meter: Meter
    sampling: Sampling
    idle_s: float
    forgets: bool
    tell: Callable[[int], None]  # requests that are done
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    _flying: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _cut_s: float = 0.0
    _done: list[Outcome] = field(default_factory=list[Outcome])

    async def meet(self, models: Sequence[str], embedding: Sequence[str] = ()) -> None:
        """Have every model loaded; those of `embedding` give vectors. Raises EvalError."""
        for model in models:
            vectors = model in embedding
            path = "/v1/embeddings" if vectors else "/v1/chat/completions"
            body = {"model": model, "input": _OTHER} if vectors else self._greeting(model)
            response = await fetch(self.asker.address, "POST", path, body)
            if response.status != 200:
                raise EvalError(f"{model} does not answer: {response.body[:300].decode()}")

    async def run(
        self, requests: Sequence[Request], ways: Sequence[Way]
    ) -> tuple[list[Outcome], Course]:
        """The outcomes in the order of `requests`, of which each goes its way.

        Raises EvalError where the server does not answer any more.
        """
        rest_w = await self._rest_w()
        self.meter.begin()
        begin_s = self.clock()
        try:
            for request, way in zip(requests, ways, strict=True):
                await self._until(begin_s + request.at_s)
                self._flying.add(asyncio.create_task(self._ask(request, way)))
                self._check()
            while self._flying:
                await self._land(None)
                self._check()
        finally:
            for task in self._flying:
                task.cancel()
        end_s = self.clock()
        board_j = self.meter.end(begin_s, end_s).board_j
        course = Course(end_s - begin_s + self._cut_s, self._cut_s, board_j, rest_w)
        return sorted(self._done, key=lambda one: one.request.number), course

    async def _until(self, due_s: float) -> None:
        """Wait until then by the workload's clock, which is ahead by what was cut short."""
        while (left_s := due_s - self._cut_s - self.clock()) > 0.0:
            if self._flying:
                await self._land(left_s)
                continue
            self._cut_s += max(0.0, left_s - self.idle_s)
            await self.sleep(min(left_s, self.idle_s))

    async def _land(self, patience_s: float | None) -> None:
        done, self._flying = await asyncio.wait(
            self._flying, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()

    async def _ask(self, request: Request, way: Way) -> None:
        asked_s = self.clock()
        try:
            if self.forgets:
                await fetch(self.asker.address, "POST", "/edge/v1/router/reset", {})
            reply = await self.asker.ask(body(request, way, self.sampling))
        except (Unanswered, OSError, BenchError) as error:
            failed = Outcome(request, way, self.clock() - asked_s, None, str(error))
            self._done.append(failed)
        else:
            self._done.append(Outcome(request, way, reply.end_s - asked_s, reply))
        self.tell(len(self._done))

    def _check(self) -> None:
        last = self._done[-FAILURES:]
        if len(last) == FAILURES and all(one.failed is not None for one in last):
            why = last[-1].failed
            raise EvalError(f"{FAILURES} answers in a row failed, the last with: {why}")

    async def _rest_w(self) -> float | None:
        self.meter.begin()
        begin_s = self.clock()
        await self.sleep(_REST_S)
        end_s = self.clock()
        board_j = self.meter.end(begin_s, end_s).board_j
        return None if board_j is None else board_j / (end_s - begin_s)

    def _greeting(self, model: str) -> dict[str, object]:
        return question(model, _OTHER, {"mode": "single"}, 1, 0.0, 0)


def body(request: Request, way: Way, how: Sampling) -> dict[str, object]:
    """What is asked of a server."""
    tokens = how.max_tokens or request.task.max_tokens
    prompt = request.item.prompt
    return question(way.model, prompt, way.edge, tokens, how.temperature, how.seed)
