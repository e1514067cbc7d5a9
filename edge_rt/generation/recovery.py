"""What becomes of requests whose engine was lost."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from array import array
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec

from edge_rt.core.cached import digest
from edge_rt.core.errors import EngineBroken, EngineError, RequestError, Unavailable
from edge_rt.core.requests import Call, EmbedCall, InferCall
from edge_rt.decoding.params import Made, TokenLogprob
from edge_rt.engine.client import EngineClient, EngineLost, Event
from edge_rt.engine.process import LESS, ExitReason
from edge_rt.engine.protocol import Delta, Started
from edge_rt.models.loading import resident_name
from edge_rt.models.record import ModelRecord

CLEARED = 8  # tokens more than where it was lost clear a request of the suspicion
LOSSES = 10  # engines that it may lose in a row without coming any further,
STUCK_S = 120.0  # and any number of them within so long


class AnswerProgress:
    """Tokens received with their provenance and the gate's judgements, text withheld, and answers
    finished, by answer index.

    It is `suspected` from the loss of an engine that worked for it until the next engine is past
    that place.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self.tokens: dict[int, list[int]] = {}
        self.made: dict[int, Made] = {}
        self.withheld: dict[int, list[TokenLogprob]] = {}
        self.seen: dict[int, array[float]] = {}  # see Delta; 8 bytes each
        self.done: list[int] = []
        self.suspected = False
        self.cleared: Callable[[], None] = lambda: None  # called when the suspicion ends
        self._started = self._begun = False  # by any engine, and by the present one
        self._losses = 0
        self._stuck_s = 0.0  # when the first of them was lost
        self._alone = False  # whether it lost an engine that was at work for nobody else
        self._new = 0  # tokens since the last loss

    def news(self, event: Event) -> bool:
        """Note `event`; False when the client has seen its like before the engine was lost."""
        if isinstance(event, Started):
            first, self._started = not self._started, True
            self._begun = True
            return first
        if event.made is not None:
            self.made[event.index] = event.made
        if isinstance(event, Delta):
            self.tokens.setdefault(event.index, []).extend(event.tokens)
            self.withheld[event.index] = event.withheld
            if event.seen:
                self.seen.setdefault(event.index, array("d")).extend(event.seen)
            self._new += len(event.tokens)
            self._losses = 0
        else:
            self.done.append(event.index)
        if self.suspected and self._new >= CLEARED:
            self.suspected = False
            self.cleared()
        return True

    def lost(self, *, blamed: bool, alone: bool, waited: bool = False) -> bool:
        """Count one lost engine; True when it is for sure that the request ended two.

        It may have, where it is `blamed`; `alone`: nobody else may have. Who is suspected is tried
        apart from others who are, so that the second time tells. Where others were served, and it
        had `waited` for its turn, there is hope.
        """
        guilty = blamed and (self.suspected or (alone and self._alone))
        self.suspected = self.suspected or blamed
        self._alone = self._alone or (blamed and alone)
        if self._begun or not waited:
            self._stuck_s = self._stuck_s if self._losses else self._clock()
            self._losses += 1
        self._new, self._begun = 0, False
        return guilty

    @property
    def hopeless(self) -> bool:
        """Whether too many engines were lost, for too long, since it came any further."""
        return self._losses >= LOSSES and self._clock() - self._stuck_s >= STUCK_S


log = logging.getLogger(__name__)

REMEMBERED_S = 3600.0  # for which a request that ended two engines is refused
SHORT_S = 60.0  # for which one is that did when memory was short, perhaps because of others
REMEMBERED = 256  # such requests
RENEWED_S = 600.0  # for which no engine is ended again because of the same model's output

AnyCall = Call | EmbedCall | InferCall
_CHANGING = ("client", "id", "energy_j", "deadline_s", "plan")  # what ends no engine


class Recovery:
    """Requests of a lost engine go on in the next one, but for a request that ended two engines.

    Suspects are tried one after the other, each until it is past the place where it was lost; the
    one that ends the next engine, too, is refused and remembered.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        refuse: Callable[[str, str], None],
    ) -> None:
        """`clock` is in seconds. `refuse` keeps a model from being loaded for a while, and gets
        the engine's name for it and the reason.
        """
        self._clock, self._refuse = clock, refuse
        self._turn = asyncio.Lock()  # of suspects
        self._guilty: OrderedDict[bytes, tuple[float, ExitReason]] = (
            OrderedDict()
        )  # since when, and why
        self._renewed: dict[str, float] = {}  # when engines were ended because of a model
        self._answered: set[str] = set()  # models that did, in whatever engine
        self._ended: dict[str, ExitReason] = {}  # of the last engine that each other model ended

    def check(self, entry: ModelRecord, call: AnyCall) -> None:
        """Raises RequestError for a request that ended engines before, and Unavailable where
        memory was short.
        """
        if not self._guilty:  # the key is costly: a request may be large
            return
        since_s, exit_reason = self._guilty.get(_key(entry, call), (-math.inf, ExitReason("")))
        left_s = since_s + _refused_s(exit_reason) - self._clock()
        if left_s > 0.0:
            raise _refusal(entry, exit_reason, left_s)

    def answered(self, model: str) -> None:
        """Note that a model, by the engine's name for it, has given some output."""
        self._answered.add(model)
        self._ended.pop(model, None)

    @asynccontextmanager
    async def turn(self, progress: AnswerProgress) -> AsyncGenerator[None]:
        """Wait until a request may go on, which is at once where nothing is held against it."""
        if not progress.suspected:
            yield
            return
        await self._turn.acquire()
        progress.cleared = self._turn.release
        try:
            yield
        finally:
            progress.cleared = lambda: None
            if progress.suspected:  # it is not cleared
                self._turn.release()

    async def lost(
        self,
        entry: ModelRecord,
        call: AnyCall,
        id: int | None,
        progress: AnswerProgress,
        lost: EngineLost,
    ) -> None:
        """An engine was lost that had the request under `id`; raises where that is to be its end.

        RequestError where it ended two engines, Unavailable where memory was too short for it in
        two, EngineError where it comes no further.
        """
        exit_reason = await lost.exit_reason()
        blamed = id in exit_reason.blamed
        alone = blamed and len(exit_reason.blamed) == 1
        paired = isinstance(call, Call) and call.plan.mode is not None  # it may be the other model
        if blamed and not paired and not exit_reason.short_of_memory:
            self._note_end(resident_name(entry), exit_reason)
        if progress.lost(blamed=blamed, alone=alone, waited=id is not None and lost.useful):
            log.error(
                "a request to %s ended two engines (%s) and is refused", entry.id, exit_reason.why
            )
            self._guilty[_key(entry, call)] = self._clock(), exit_reason
            while len(self._guilty) > REMEMBERED:
                self._guilty.popitem(last=False)
            raise _refusal(entry, exit_reason, _refused_s(exit_reason)) from lost
        if progress.hopeless:
            raise EngineError(
                f"the engine was lost again and again while it had this request ({exit_reason.why})"
            ) from lost

    def _note_end(self, model: str, exit_reason: ExitReason) -> None:
        """Refuse a model that ended two engines and never answered, whatever the prompts were.

        All who are blamed for an engine's end were in one pass of one model.
        """
        if model in self._answered:
            return
        before, self._ended[model] = self._ended.get(model), exit_reason
        if before is not None and before is not exit_reason:
            self._refuse(model, f"it ended two engines and gave no answer ({exit_reason.why})")

    def broken(
        self, entry: ModelRecord, client: EngineClient, id: int | None, broken: EngineBroken
    ) -> EngineLost:
        """An engine's output is of no use: it is ended, so that a new one may do better.

        Raises `broken` where a new one did not, not long ago.
        """
        since_s = self._clock() - self._renewed.get(entry.sha256, float("-inf"))
        if client.termination is None and since_s < RENEWED_S:
            raise broken
        if client.termination is None:
            self._renewed[entry.sha256] = self._clock()
        client.terminate(
            ExitReason(f"{entry.id}: {broken}", frozenset(() if id is None else (id,)))
        )
        return EngineLost(str(broken), client.exit_reason)


def _key(entry: ModelRecord, call: AnyCall) -> bytes:
    fields = msgspec.structs.asdict(call)
    mode = call.plan.mode if isinstance(call, Call) else None  # the rest of a plan may differ
    return digest(entry.sha256, mode, {k: v for k, v in fields.items() if k not in _CHANGING})


def _refused_s(exit_reason: ExitReason) -> float:
    return SHORT_S if exit_reason.short_of_memory else REMEMBERED_S


def _refusal(
    entry: ModelRecord, exit_reason: ExitReason, left_s: float
) -> RequestError | Unavailable:
    if exit_reason.short_of_memory:
        return Unavailable(
            f"the engine ended twice with this request to {entry.id} ({exit_reason.why}). Ask less "
            f"at once or end other programs. {LESS}",
            retry_after_s=left_s,
            code="out_of_memory",
        )
    return RequestError(
        f"this very request ended the engine twice ({exit_reason.why}), and is not tried again for "
        f"{max(1, round(left_s / 60))} minutes. Ask something else, or another model than "
        f"{entry.id}; if it was long, ask less at once",
        code="engine_killed",
    )
