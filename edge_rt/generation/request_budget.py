"""What a request may take, and how long its work is expected to take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from edge_rt.config.schema import Engine
from edge_rt.core.errors import EdgeError, RequestError, Unavailable
from edge_rt.core.events import Delta, Finished, Started, Timings
from edge_rt.core.requests import Call, EmbedCall
from edge_rt.core.routing import Prediction
from edge_rt.energy.account import Account
from edge_rt.energy.app_budgets import Spending
from edge_rt.energy.usage import RequestUsage
from edge_rt.engine.channel import Doing
from edge_rt.engine.client import EngineClient, Request
from edge_rt.engine.protocol import Generate
from edge_rt.generation.recovery import AnswerProgress
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store

TICK_S = 0.05  # between two looks at what is left
RETRY_S = 5.0  # after a wait in vain

E = TypeVar("E")
UNKNOWN_S = 10.0  # a pass of which nothing is known


class RequestBudget:
    """Ends a call's answers once its joules or its application's are spent, or its time is over.

    Joules come by the meter's readings, so they are taken to go on until the next one as they did.
    """

    def __init__(
        self,
        call: Call | EmbedCall,
        clock: Callable[[], float],
        spending: Spending | None = None,
    ) -> None:
        """`clock` is in seconds, that of the call's deadline."""
        self.empty: str | None = None  # why the answers are to end, once they are
        self._call, self._clock, self._spending = call, clock, spending
        self._refusal: Unavailable | None = None  # where it is the application's budget
        self._begin_s = clock()
        self._start: tuple[float, Started] | None = None
        self._first_s: float | None = None  # when the first token came

    @property
    def limited(self) -> bool:
        """Whether there is anything to look after."""
        call = self._call
        limits = call.energy_j, call.deadline_s, self._spending
        return any(limit is not None for limit in limits)

    async def left(self, step: Awaitable[E], usage: RequestUsage) -> E | None:
        """Return what `step` gives; None once nothing is left for it, and it is cancelled.

        `usage` has what was taken so far. Raises Unavailable where time was over before the engine
        began.
        """
        if not self.limited:
            return await step
        coming = asyncio.ensure_future(step)
        try:
            while self._why_empty(usage.account) is None:
                await asyncio.wait((coming,), timeout=TICK_S)
                if coming.done():
                    found = coming.result()
                    if isinstance(found, Started):
                        self._start = self._start or (self._clock(), found)
                    elif isinstance(found, Delta) and self._first_s is None:
                        self._first_s = self._clock()
                    return found
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        if self._start is None:
            raise self._refusal or _late("waited until")
        return None

    def judge(self, least: Prediction | None) -> None:
        """Raise RequestError if not even `least`, what a single token takes, can be afforded."""
        if least is None:
            return
        deadline_s, energy_j = self._call.deadline_s, self._call.energy_j
        if deadline_s is not None:
            left_s = deadline_s - self._clock()
            if least.seconds > left_s * (1.0 + least.error_ratio):
                left = f"{max(0.0, left_s):.2g} s are left"
                raise _too_little("latency_s", f"{least.seconds:.2g} s", left)
        if energy_j is not None and least.energy_j is not None:
            most_j = energy_j * (1.0 + (least.energy_error_ratio or 0.0))
            if least.energy_j > most_j:
                needed, had = f"{least.energy_j:.2g} J", f"{energy_j:.2g} J are allowed"
                raise _too_little("energy_j", needed, had)

    def endings(self, progress: AnswerProgress, n: int) -> list[Finished]:
        """Return the ends of those of `n` answers that are not done, timed as seen from here."""
        begin_s, now_s = self._begin_s, self._clock()
        start_s, started = self._start or (now_s, Started(0, 0, 0))
        first_s = now_s if self._first_s is None else self._first_s
        times = start_s - begin_s, first_s - start_s, now_s - first_s
        prompt = started.prompt_tokens, started.cached_tokens
        return [
            Finished(
                id=0,
                index=i,
                reason="length",
                timings=Timings(*times, *prompt, len(progress.tokens.get(i, []))),
                made=progress.made.get(i),
            )
            for i in range(n)
            if i not in progress.done
        ]

    def failure(self) -> Exception:
        """Return what a request is told that has no part of an answer to show."""
        if self._overdue():
            return _late("was not done when")
        if self._refusal is not None:
            return self._refusal
        return RequestError(
            "The request was not done when its `edge.energy_j` was spent.",
            param="edge.energy_j",
            code="limit_too_low",
        )

    def _why_empty(self, account: Account | None) -> str | None:
        self.empty = self._overdue() or self._overspent(account) or self._app_spent(account)
        return self.empty

    def _app_spent(self, account: Account | None) -> str | None:
        if account is None or self._spending is None:
            return None
        why = self._spending.why_spent(TICK_S)
        if why is None:
            return None
        self._refusal = self._spending.refusal(why)
        return f"the answer ends early: {why[0].lower()}{why[1:]}"

    def _overdue(self) -> str | None:
        deadline_s = self._call.deadline_s
        if deadline_s is None or self._clock() < deadline_s:
            return None
        return "the answer ends early: its `edge.latency_s` is over"

    def _overspent(self, account: Account | None) -> str | None:
        energy_j = self._call.energy_j
        if energy_j is None or account is None:
            return None
        if account.torn:
            return (
                "the answer ends early: the joules that it took of its `edge.energy_j` are unknown"
            )
        if account.expected_j(TICK_S) < energy_j:
            return None
        return "the answer ends early: its `edge.energy_j` is spent"


def _too_little(field: str, needed: str, had: str) -> RequestError:
    return RequestError(
        f"`edge.{field}`: the prompt and one token take about {needed} here, and {had}.",
        param=f"edge.{field}",
        code="limit_too_low",
    )


def _late(what: str) -> Unavailable:
    return Unavailable(
        f"The request {what} its `edge.latency_s` was over.", retry_after_s=RETRY_S, code="latency"
    )


Least = Callable[[ModelRecord, int, int], Prediction | None]
"""What a prompt of which so many tokens are cached takes, with one token of the answer."""


class ExpectedTimes:
    """Goes by the runtime model of whatever model the pass is for."""

    def __init__(self, store: Store, engine: Engine, least: Least) -> None:
        self._store, self._engine, self._least = store, engine, least

    def seconds(self, client: EngineClient, doing: Doing) -> float:
        """Return the longest time for which the engine may go on with its present step.

        A load ends when ModelPool has it end: onnxruntime lets no other thread run meanwhile.
        """
        if client.loading:
            return math.inf
        requests = {id: client.request(id) for id in doing.requests}
        return max((self._one(one, doing.tokens) for one in requests.values()), default=0.0)

    def _one(self, request: Request | None, tokens: int) -> float:
        entry = self._entry(request.model) if isinstance(request, Generate) else None
        if entry is None:
            return UNKNOWN_S
        context = context_of(entry, self._engine)
        found = self._least(entry, context, max(0, context - max(1, tokens)))
        seconds = UNKNOWN_S if found is None else found.prefill_s
        # onnxruntime loads a model again in the first pass with another number of threads, and a
        # GPU's driver compiles each kernel when it is first needed.
        slow = entry.backend == "onnx" or any(self._engine.offloads)
        return max(seconds, UNKNOWN_S) if slow else seconds

    def _entry(self, name: str) -> ModelRecord | None:
        try:
            entry = self._store.get(name.rpartition("@")[0])
        except EdgeError:
            return None
        return entry if resident_name(entry) == name else None
