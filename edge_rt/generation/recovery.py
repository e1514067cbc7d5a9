"""What becomes of requests whose engine was lost."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

from edge_rt.core.decoding import Made, TokenLogprob
from edge_rt.core.errors import EngineBroken, EngineError
from edge_rt.core.events import Delta, Started
from edge_rt.engine.client import EngineClient, EngineLost, Event
from edge_rt.engine.process import ExitReason
from edge_rt.models.record import ModelRecord

LOSSES = 10  # engines that a request may lose in a row without coming any further,
STUCK_S = 120.0  # and any number of them within so long
RENEWED_S = 600.0  # for which no engine is ended again because of the same model's output


class AnswerProgress:
    """What has come of each answer, by its index.

    Tokens with their provenance and the gate's judgements, text withheld, and answers finished.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self.tokens: dict[int, list[int]] = {}
        self.made: dict[int, Made] = {}
        self.withheld: dict[int, list[TokenLogprob]] = {}
        self.seen: dict[int, array[float]] = {}  # see Delta; 8 bytes each
        self.done: list[int] = []
        self._started = self._begun = False  # by any engine, and by the present one
        self._losses = 0
        self._stuck_s = 0.0  # when the first of them was lost

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
            self._losses = 0
        else:
            self.done.append(event.index)
        return True

    def lost(self, *, waited: bool = False) -> None:
        """Count a lost engine.

        Where others were served, and the request had `waited` for its turn, there is hope.
        """
        if self._begun or not waited:
            self._stuck_s = self._stuck_s if self._losses else self._clock()
            self._losses += 1
        self._begun = False

    @property
    def hopeless(self) -> bool:
        """Whether too many engines were lost, for too long, since it came any further."""
        return self._losses >= LOSSES and self._clock() - self._stuck_s >= STUCK_S


class Recovery:
    """Requests of a lost engine go on in the next one, as long as they come any further."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self._renewed: dict[str, float] = {}  # when engines were ended because of a model

    async def lost(self, id: int | None, progress: AnswerProgress, lost: EngineLost) -> None:
        """Count an engine that was lost with the request under `id`.

        Raises EngineError where the request comes no further.
        """
        exit_reason = await lost.exit_reason()
        progress.lost(waited=id is not None and lost.useful)
        if progress.hopeless:
            raise EngineError(
                f"the engine was lost again and again while it had this request ({exit_reason.why})"
            ) from lost

    def broken(
        self, entry: ModelRecord, client: EngineClient, id: int | None, broken: EngineBroken
    ) -> EngineLost:
        """End an engine whose output is of no use, so that a new one may do better.

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
