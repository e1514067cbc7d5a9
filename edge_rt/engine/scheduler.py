"""Continuous batching for one model."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable

from edge_rt.backends.base import Backend
from edge_rt.decoding.sampler import Sampler
from edge_rt.decoding.stops import StopAutomaton
from edge_rt.decoding.text import TextStream
from edge_rt.engine.answer import Answer
from edge_rt.engine.outbox import PAUSE_S
from edge_rt.engine.pacing import Portion
from edge_rt.engine.prefix import common_prefix
from edge_rt.engine.prompt import prompt_tokens
from edge_rt.engine.protocol import Delta, Generate, ModelSpec, Started
from edge_rt.engine.runner import Event, Runner
from edge_rt.engine.sequences import WORTH_COPYING, SequencePool
from edge_rt.engine.tally import Tally
from edge_rt.errors import EngineError, RequestError


class Scheduler(Runner[Backend, Answer, Portion]):
    """Runs any number of requests on one backend, all of them in each forward pass.

    Every pass carries the next token of each running answer and, in what room is left, pieces of
    prompts that are being read, the oldest first; see Portion for how much that may be.
    """

    serves = Generate

    def __init__(
        self,
        backend: Backend,
        spec: ModelSpec,
        emit: Callable[[Event], None],
        tally: Tally,
        clock: Callable[[], float] = time.monotonic,
        pause_s: float = PAUSE_S,
    ) -> None:
        """See Runner."""
        super().__init__(backend, Portion(spec.prefill_chunk), emit, tally, clock, pause_s)
        self._pool = SequencePool(backend)

    def submit(self, request: Generate) -> None:
        """See Runner."""
        try:
            answers = self._answers(request)
        except RequestError as error:
            self._tell_failed(request.id, error)
            return
        for answer in answers:
            if answer.reason is None:
                self._waiting.append(answer)
            else:  # all of it had been sent when the engine was lost
                self._emit(answer.finished(self._clock()))

    def count(self, prompt: str, *, special: bool) -> tuple[int, int]:
        """See Runner."""
        tokens = prompt_tokens(prompt, special, self._backend)
        return len(tokens), self._pool.reusable(tokens)

    def cancel(self, request_id: int) -> None:
        """See Runner; what was read of the prompt stays as a prefix."""
        self._outbox.forget(request_id, self._clock())
        self._forget(request_id, keep=True)

    @property
    def streaming(self) -> bool:
        """See Runner: whether some answer is past its prompt."""
        return any(a.decoding for a in self._running)

    def step(self, *, brief: bool = False, most: float = math.inf) -> None:
        """See Runner: admit, run the model once, draw, report."""
        begin = self._clock()
        self._admit(begin, most)
        readers = [a for a in self._running if not a.decoding]
        if readers:
            self.flush()  # the pass will be a long one
        plan = self._plan(readers, brief or self.streaming)
        rows = [(a.request.id, count, a.decoding) for a, count in plan]
        wanted = self._fill(plan)
        if not self._backend.batch.size:
            return
        try:
            self._tally.passed(self._forward(), rows)
        except EngineError as error:
            self._fail_all(error)
            return
        drawn, faults = self._draw(wanted)
        self._tally.drawn += len(drawn)
        now = self._clock()
        self._outbox.work.add(begin, now, rows)
        for request_id, error in faults.items():
            self._fail(request_id, error)
        self._tell([(a, d) for a, d in drawn if a.request.id not in faults], now)

    def close(self, why: str) -> None:
        """See Runner."""
        self._fail_all(EngineError(why))
        self._backend.close()

    # --- from request to answers

    def _answers(self, request: Generate) -> list[Answer]:
        prompt = prompt_tokens(request.prompt, request.special, self._backend)
        first = Sampler(request.sampling, seed=request.sampling.seed or 0, prompt=prompt)
        stops = StopAutomaton(request.stop)
        now = self._clock()
        answers: list[Answer] = []
        for index in range(request.n):
            if index not in request.done:
                answer = Answer(
                    request, index, list(prompt), first.fork(index), TextStream(stops), now
                )
                answer.resume(request.resume.get(index, []), self._backend)
                answers.append(answer)
        return answers

    # --- one pass

    def _admit(self, now: float, most: float) -> None:
        held_back: list[Answer] = []
        while self._waiting and self._pool.free and self.running < most:
            answer = self._waiting.popleft()
            if self._worth_waiting(answer):
                held_back.append(answer)
                continue
            self._start(answer, now)
        self._waiting.extendleft(reversed(held_back))

    def _worth_waiting(self, answer: Answer) -> bool:
        """Whether a prompt now being read will soon hold much more of `answer`'s beginning."""
        if answer.request.fresh:
            return False
        coming = max(
            (common_prefix(a.prompt, answer.prompt) for a in self._running if not a.decoding),
            default=0,
        )
        coming = min(coming, len(answer.prompt) - 1)
        return coming >= self._pool.reusable(answer.todo) + WORTH_COPYING

    def _start(self, answer: Answer, now: float) -> None:
        answer.start(self._pool.take(answer.todo, fresh=answer.request.fresh), now)
        self._running.append(answer)
        if answer.index == 0:
            self._emit(Started(answer.request.id, len(answer.prompt), answer.cached))

    def _plan(self, readers: list[Answer], brief: bool) -> list[tuple[Answer, int]]:
        """Who takes part in the next pass, with how many tokens."""
        plan = [(a, 1) for a in self._running if a.decoding]
        room = min(self._backend.batch.capacity - len(plan), self.portion.tokens(brief=brief))
        for answer in readers:
            count = min(room, len(answer.todo))
            if count > 0:
                plan.append((answer, count))
                room -= count
        # In the order of the sequences: llama.cpp joins only neighbours into one pass.
        plan.sort(key=lambda item: item[0].held.id)
        return plan

    def _fill(self, plan: list[tuple[Answer, int]]) -> list[tuple[Answer, int]]:
        """Fill the batch; returns the answers whose next token it gives, with their rows."""
        self._backend.batch.clear()
        rows = [(a, self._feed(a, count)) for a, count in plan]
        return [(a, row) for a, row in rows if not a.todo]

    def _feed(self, answer: Answer, count: int) -> int:
        sequence = answer.held
        tokens = answer.todo[:count]
        last = count == len(answer.todo)
        row = self._backend.batch.add(sequence.id, len(sequence.tokens), tokens, want_last=last)
        answer.fed(count)
        return row

    def _forward(self) -> float:
        begin = self._clock()
        self._backend.forward()
        spent = self._clock() - begin
        self.portion.took(self._backend.batch.size, spent)
        return spent

    def _draw(
        self, wanted: list[tuple[Answer, int]]
    ) -> tuple[list[tuple[Answer, Delta]], dict[int, RequestError | EngineError]]:
        """The deltas that came of the pass, and the requests that it failed."""
        now = self._clock()
        drawn: list[tuple[Answer, Delta]] = []
        faults: dict[int, RequestError | EngineError] = {}
        for answer, row in wanted:
            try:
                drawn.append((answer, answer.draw(self._backend, row, now)))
            except (RequestError, EngineError) as error:
                faults.setdefault(answer.request.id, error)
        return drawn, faults

    def _tell(self, drawn: list[tuple[Answer, Delta]], now: float) -> None:
        ended = [answer for answer, _ in drawn if answer.reason is not None]
        urgent = bool(ended) or any(answer.first for answer, _ in drawn)
        self._outbox.put([delta for _, delta in drawn], now, urgent=urgent)
        for answer in ended:
            self._emit(answer.finished(now))
        self._drop(ended)

    # --- ends

    def _forget(self, request_id: int, *, keep: bool) -> None:
        self._drop([a for a in self._running if a.request.id == request_id], keep=keep)
        self._waiting = deque(a for a in self._waiting if a.request.id != request_id)

    def _drop(self, answers: Iterable[Answer], *, keep: bool = True) -> None:
        for answer in list(answers):
            self._running.remove(answer)
            if answer.sequence is not None:
                self._pool.release(answer.sequence, keep=keep)

    def _fail(self, request_id: int, error: RequestError | EngineError) -> None:
        self.flush()
        self._forget(request_id, keep=isinstance(error, RequestError))
        self._tell_failed(request_id, error)

    def _fail_all(self, error: EngineError) -> None:
        self.flush()
        for request in {a.request.id for a in [*self._running, *self._waiting]}:
            self._tell_failed(request, error)
        self._drop(self._running)
        self._waiting.clear()
        self._pool.drop_all()
