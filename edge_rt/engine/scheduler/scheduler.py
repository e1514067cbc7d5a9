"""Continuous batching for one model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from edge_rt.backends.base import Backend
from edge_rt.core.errors import EdgeError, EngineBroken, EngineError, RequestError
from edge_rt.core.events import Started
from edge_rt.engine.generation.factory import GenerationFactory
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.generation.model_sequence import Home, ModelSequence, nobody
from edge_rt.engine.kv.checkpointer import Checkpointer
from edge_rt.engine.kv.checkpoints import Keyed
from edge_rt.engine.kv.prefix_files import common_prefix
from edge_rt.engine.kv.prefixes import PrefixCache, PrefixTarget
from edge_rt.engine.kv.sequences import WORTH_COPYING, SequencePool
from edge_rt.engine.protocol import Generate, ModelSpec
from edge_rt.engine.scheduler.inputs import Outbox, prompt_tokens
from edge_rt.engine.scheduler.passes import (
    Pass,
    PrefillBudget,
    apart,
    by_turn,
    client_of,
    gives_way,
)
from edge_rt.engine.scheduler.runner import EngineCounters, Event, Runner

if TYPE_CHECKING:
    from edge_rt.decoding.constraints.grammars import Grammars


CLIENTS = 256  # whose last turns are remembered
# Others go on without an answer whose constraint takes longer to say what may come next; 0.01 s is
# much for it.
LATE_S = 0.02
LOOK_TOKENS = 1024  # tokens that a model reads in the time that an image takes it at most, about


class Scheduler(Runner[Backend, Generation]):
    """Runs any number of requests on one backend, all of them in each forward pass.

    A pass carries the next token of each running answer and pieces of prompts, the oldest first, as
    PrefillBudget allows, with as many threads as its most demanding answer asks for. An answer with
    a sequence on another model is in the queues of both; the model that its request names starts it
    when both have a sequence for it, and each runs it while it has the turn.
    """

    serves = Generate

    def __init__(
        self,
        backend: Backend,
        spec: ModelSpec,
        emit: Callable[[Event], None],
        tally: EngineCounters,
        clock: Callable[[], float] = time.monotonic,
        *,
        outbox: Outbox | None = None,
        find: Callable[[str], Home] = nobody,
        kept: PrefixTarget | None = None,
        keyed: Keyed | None = None,
    ) -> None:
        """PrefixCache takes `kept`, Checkpointer `keyed`, and Runner the others.

        Models that `find` each other by name share an `outbox`.
        """
        budget = PrefillBudget(spec.prefill_chunk)
        super().__init__(backend, budget, emit, outbox or Outbox(emit), tally, clock)
        self.pool = SequencePool(backend)
        self.prefixes = PrefixCache(backend, self.pool, kept)
        self.checkpointer = Checkpointer(backend, self.pool, keyed, clock)
        self._factory = GenerationFactory(self, find, tally.beat.note, tally.beat.helped)
        self.checkers = self._factory.checkers
        self._served: dict[str, int] = {}  # the number of each client's last turn
        self._turns = itertools.count(1)

    @property
    def backend(self) -> Backend:
        """The model."""
        return self._backend

    @property
    def running(self) -> int:
        """How many answers have their turn on this model."""
        return len(self._at_turn())

    @property
    def waiting(self) -> int:
        """How many waiting answers are to be started here."""
        return sum(answer.home is self for answer in self._waiting)

    @property
    def startable(self) -> int:
        return sum(answer.home is self and not answer.pending for answer in self._waiting)

    @property
    def able(self) -> bool:
        return any(answer.at.home is self for answer in self._running) or self.startable > 0

    @property
    def streaming(self) -> bool:
        """Whether some answer is past its prompt."""
        return any(answer.at.decoding for answer in self._at_turn())

    def submit(self, request: Generate) -> None:
        try:
            answers = self._factory.answers(request, self._clock())
        except EdgeError as error:
            self._tell_failed(request.id, error)
            return
        for answer in answers:
            if answer.open:
                for sequence in answer.sequences:
                    _of(sequence).queue(answer)
            else:  # all of it had been sent when the engine was lost
                self._emit(answer.finished(self._clock()))

    def tokenize(self, prompt: str, *, special: bool) -> tuple[list[int], int]:
        tokens = prompt_tokens(prompt, special, self._backend)
        return tokens, self.pool.reusable(tokens)

    def cancel(self, request_id: int) -> None:
        """Drop a request; what was read of its prompt stays as a prefix."""
        self._outbox.forget(request_id, self._clock())
        self._forget(request_id, keep=True)

    def step(self, *, brief: bool = False) -> None:
        """Admit answers, run the model once, draw tokens, report them."""
        begin = self._clock()
        self._admit(begin)
        answers = [answer for answer in self._at_turn() if not answer.at.sits_out()]
        if not answers and self._running:  # all of them sit out: a moment passes
            for answer in self._at_turn()[:1]:
                answer.at.sampler.ready(LATE_S)
            return
        streams = [answer.at.decoding for answer in answers]
        if not all(streams):
            self.flush()  # the pass will be a long one
        brief = brief or any(streams)
        if any(answer.at.at_image for answer in answers):
            answers = self._looked(list(apart(answers)), brief=brief)
            begin = self._clock()
        one = Pass(self._backend, answers, self.budget.tokens(brief=brief))
        if not one.rows:
            return
        spare = self._use(one.threads)
        self._begins({request for request, _, _ in one.rows}, one.size, begin)
        try:
            spent = one.run(self._clock)
        except EngineError as error:
            self._fail_all(EngineBroken(str(error)))
            return
        if one.size > len(answers):
            self.budget.took(one.size, spent)
        if not brief:
            self.checkpointer.read(spent)
        self._tally.passed(spent, one.rows, spare, self.gpu_share)
        news, faults = self._draw(one.ready)
        now = self._clock()
        self._outbox.work.add(begin, now, one.rows)
        if faults:
            news = [answer for answer in news if answer.request.id not in faults]
        self._tell(news, now)
        for request_id, error in faults.items():
            self._fail(request_id, error)
        for answer in answers:
            answer.at.keep()
        held = (a.at.held for a in self._at_turn() if not a.request.fresh)
        if (behind := self.checkpointer.behind(held)) is not None:
            self.flush()
            self.checkpointer.keep(behind)

    def close(self, why: str) -> None:
        self.prefixes.leave_all()
        self._fail_all(EngineError(why))
        self._factory.close()
        self._backend.close()

    # --- what others ask and tell

    @property
    def grammars(self) -> Grammars:
        return self._factory.grammars

    def queue(self, answer: Generation) -> None:
        """`answer` waits for a sequence."""
        self._waiting.append(answer)

    def admitted(self, answer: Generation) -> None:
        """`answer` has taken its sequences."""
        if answer.home is not self:
            self._waiting.remove(answer)
        self._running.append(answer)

    def left(self, answer: Generation) -> None:
        """`answer` waits or runs no more."""
        for answers in (self._running, self._waiting):
            if answer in answers:
                answers.remove(answer)

    def awaits(self, sequence: ModelSequence) -> bool:
        """Return whether a prompt that is being read will soon spare `sequence` much reading."""
        if self.checkpointer.has(sequence.text):
            return False
        readers = [a.at for a in self._at_turn() if not a.at.decoding]
        coming = max((common_prefix(r.prompt, sequence.prompt) for r in readers), default=0)
        coming = min(coming, len(sequence.prompt) - 1)
        return coming >= self.pool.reusable(sequence.text) + WORTH_COPYING

    # --- one pass

    def _at_turn(self) -> list[Generation]:
        return [answer for answer in self._running if answer.at.home is self]

    def _admit(self, now: float) -> None:
        if not self._waiting:
            return
        left = self._by_turn(self._waiting)
        if left and not self.pool.free:
            left = self._make_room(left)
        kept = 0  # sequences for those who have to wait for one on another model
        while left and self.pool.free > kept:
            answer = left.pop(0)
            if answer.home is not self:
                kept += answer.home.pool.free > 0  # else it cannot be started soon
            elif not all(sequence.home.pool.free for sequence in answer.sequences):
                kept += 1
            elif answer.request.fresh or not _of(answer.at).awaits(answer.at):
                answer.fetch()
                if answer.pending:
                    continue
                self._waiting.remove(answer)
                self._start(answer, now)
                left = self._by_turn(left)

    def _by_turn(self, waiting: Sequence[Generation]) -> list[Generation]:
        return by_turn(waiting, self._running, self._backend.sequences, self._served)

    def _make_room(self, left: list[Generation]) -> list[Generation]:
        """Suspend an answer of a client with several, for the only one of another client.

        Returns the answers that may start now; `left` are those that wait.
        """
        first = left[0]
        gone = gives_way(first, self._at_turn()) if first.home is self else None
        if gone is None or first.at.pending or _of(first.at).awaits(first.at):
            return left
        gone.at.suspend()
        self._running.remove(gone)
        self._waiting.appendleft(gone)
        return self._by_turn(self._waiting)

    def _start(self, answer: Generation, now: float) -> None:
        client, goes_on = client_of(answer), answer.started
        self._served.pop(client, None)
        self._served[client] = next(self._turns)
        if len(self._served) > CLIENTS:
            del self._served[next(iter(self._served))]
        answer.start(now)
        for sequence in answer.sequences:
            _of(sequence).admitted(answer)
        if answer.index == 0 and not goes_on:
            sequence = answer.sequences[0]
            told = answer.request.id, len(sequence.prompt), sequence.cached, sequence.restored
            self._emit(Started(*told))

    def _looked(self, answers: list[Generation], *, brief: bool) -> list[Generation]:
        """Have the first that is at an image look at it; return those that are at none."""
        first = next((answer for answer in answers if answer.at.at_image), None)
        if first is not None:
            request, begin = first.request, self._clock()
            self._begins({request.id}, LOOK_TOKENS, begin)
            try:
                count = first.at.look(request.images)
            except EngineError as error:
                self._fail(request.id, error)
                return self._looked([a for a in answers if a.request is not request], brief=brief)
            now, row = self._clock(), (request.id, count, False)
            first.at.took(count, now - begin)
            self._tally.passed(now - begin, [row], gpu_share=self.gpu_share)
            self._outbox.work.add(begin, now, [row])
            if not brief:
                self.checkpointer.read(now - begin)
            first.at.keep()
        return [answer for answer in answers if not answer.at.at_image]

    def _draw(self, ready: list[Generation]) -> tuple[list[Generation], dict[int, EdgeError]]:
        """Return the answers of which there is news, and the requests that the pass failed."""
        now = self._clock()
        news: list[Generation] = []
        faults: dict[int, EdgeError] = {}
        for answer in ready:
            if self.pool.cuts and not answer.at.sampler.ready(LATE_S):
                answer.at.put_off()
                continue
            try:
                gained = answer.go_on(now)
            except EdgeError as error:
                faults.setdefault(answer.request.id, error)
                continue
            self._tally.drawn += gained
            if gained or not answer.open:
                news.append(answer)
        return news, faults

    def _tell(self, news: list[Generation], now: float) -> None:
        ended = [answer for answer in news if not answer.open]
        urgent = bool(ended) or any(answer.untold for answer in news)
        self._outbox.put(news, now, urgent=urgent)
        for answer in ended:
            self._emit(answer.finished(now))
        self._drop(ended)

    # --- ends

    def _forget(self, request_id: int, *, keep: bool) -> None:
        self._drop([a for a in self._all() if a.request.id == request_id], keep=keep)

    def _all(self) -> list[Generation]:
        return [*self._running, *self._waiting]

    def _drop(self, answers: Iterable[Generation], *, keep: bool = True) -> None:
        for answer in list(answers):
            for sequence in answer.sequences:
                sequence.release(keep=keep)
                _of(sequence).left(answer)
            answer.close()

    def _fail(self, request_id: int, error: EdgeError) -> None:
        self.flush()
        self._forget(request_id, keep=isinstance(error, RequestError))
        self._tell_failed(request_id, error)

    def _fail_all(self, error: EngineError) -> None:
        self.flush()
        for request in {a.request.id for a in self._all()}:
            self._tell_failed(request, error)
        self.pool.drop_all()
        self._drop(self._all())


def _of(sequence: ModelSequence) -> Scheduler:
    """Return the scheduler of the sequence's model."""
    assert isinstance(sequence.home, Scheduler), "homes of sequences are schedulers"
    return sequence.home
