"""One answer in the making: from what its sequences draw to the deltas that the front receives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from edge_rt.backends.base import Backend
from edge_rt.core.decoding import CheckCost, ConstraintCost, Made, TokenLogprob
from edge_rt.core.events import Delta, Finished, Timings
from edge_rt.decoding.sampler import SampledToken
from edge_rt.decoding.text import TextStream
from edge_rt.engine.generation.model_sequence import Home, ModelSequence
from edge_rt.engine.generation.tokens import StopHoldback, TokenProvenance
from edge_rt.engine.protocol import Generate

DecodingStrategy = Iterator[ModelSequence]
"""How an answer is made: yields the sequence that reads next, and goes on when it has read."""


class Generation:
    """Answer `index` of `request`, made on `sequences`, one for each of its models.

    The first is on the model that the request names. `at` is the sequence at turn.
    """

    def __init__(
        self,
        request: Generate,
        index: int,
        sequences: Sequence[ModelSequence],
        text: TextStream,
        now: float,
    ) -> None:
        self.request = request
        self.index = index
        self.sequences = sequences
        self.at = sequences[0]
        self.provenance = TokenProvenance(sequences)
        self.reason: str | None = None
        self.started = False  # whether it has had KV sequences
        self._text = text
        self._withheld = StopHoldback()
        self._reports = request.sampling.top_logprobs is not None  # log-probabilities, held back
        self.arrived = self._started = now  # readings of the clock
        self._first: float | None = None  # when this engine drew its first token
        self._strategy: DecodingStrategy = iter(())
        self._resumed = self._told = 0  # tokens that an earlier engine drew, and that were told
        self._new = ""  # text that is to be told
        self._seen: list[float] = []  # what was judged by and is to be told
        self._due = 0  # of these, those before the last token: the others go with the next one
        self._forced = 0  # tokens that the constraint left no choice of
        held = request.constraint is not None or request.check is not None
        self._ends = not request.ignore_eos or held  # at such a token
        self._log_weight = 0.0 if request.check is None else math.fsum(request.seen.get(index, ()))

    @property
    def home(self) -> Home:
        """The scheduler of the model that the request names."""
        return self.sequences[0].home

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.reason is None

    @property
    def untold(self) -> bool:
        """Whether no engine, this one or one before it, has sent the front a token of it."""
        return self._told == 0

    @property
    def pending(self) -> bool:
        """Whether a prefix of its prompt is on its way from the disk."""
        return any(sequence.pending for sequence in self.sequences)

    def fetch(self) -> None:
        """Fetch prefixes from the disk where that is faster than reading; see ModelSequence."""
        for sequence in self.sequences:
            sequence.fetch(self.request)

    @property
    def room(self) -> int:
        """How many more tokens there may be."""
        sequence = self.sequences[0]  # which goes on alone where others are full
        left = sequence.backend.context - len(sequence.text)
        limit = self.request.max_tokens
        return left if limit is None else min(left, limit - len(self.provenance.tokens))

    def resume(self) -> None:
        """Take all replayed tokens as drawn and sent before; the next delta begins behind them."""
        for told in self.request.resume.get(self.index, ()):
            sequence, token = self.provenance.author(told)
            if sequence is not self.at:
                self._turn_to(sequence)
            sequence.sampler.feed((token,))
            if not self.take(sequence, SampledToken(token, None, [])):
                break
        if self._reports:
            self._withheld.sent(self._new)
            self._withheld.recall(self.request.withheld.get(self.index, ()))
        self._new = ""
        self._resumed = self._told = len(self.provenance.tokens)

    def count_on(self, made: Made) -> None:
        """Continue the counts that were sent with the tokens of an earlier engine."""
        for sequence in self.sequences:
            sequence.catch_up()
        self.provenance.count_on(made)

    def begin(self, strategy: DecodingStrategy) -> None:
        """Decode by `strategy`."""
        self._strategy, sequence = strategy, next(strategy, None)
        if sequence is not None and self.open:
            self._turn_to(sequence)

    def close(self) -> None:
        """Let go of the strategy, which holds the grammar and this answer, in a cycle."""
        self._strategy = iter(())

    def start(self, now: float) -> None:
        """Acquire the KV sequences and begin to read, or go on after it was suspended."""
        for sequence in self.sequences:
            sequence.acquire(self.request)
        if not self.started:
            self.started, self._started = True, now

    def go_on(self, now: float) -> int:
        """Go on once the sequence at turn has read its tokens; return how many the answer gained.

        Sets `reason` when the answer is complete.
        """
        before = len(self.provenance.tokens)
        sequence = next(self._strategy, None)
        assert sequence is not None or not self.open, "a strategy leads to the end"
        if sequence is not None and self.open:
            self._turn_to(sequence)
            sequence.asked()
        gained = len(self.provenance.tokens) - before
        if self._first is None and (gained or not self.open):
            self._first = now
        return gained

    def take(
        self,
        sequence: ModelSequence,
        choice: SampledToken,
        *,
        by: ModelSequence | None = None,
        forced: bool = False,
    ) -> bool:
        """Append the token that the sampler of `sequence` recorded; return whether to go on.

        It counts as written by `by`, or by that sequence.
        """
        self._forced += forced
        check = sequence.sampler.check
        if check is not None and check.log_weight is not None:
            self._log_weight += check.log_weight
            self.saw(check.log_weight)
        piece = sequence.backend.piece(choice.token) or sequence.sampler.spelt(choice.token)
        for other in self.sequences:
            if other is not sequence:
                other.append_other(choice.token)
        sequence.append(choice)
        self.provenance.wrote(by or sequence, choice.token)
        self._due = len(self._seen)
        if sequence.backend.ends(choice.token) and self._ends:
            self._end("stop")
            return False
        if self._reports:
            self._withheld.add(piece, _logprob(sequence.backend, choice))
        self._new += self._text.push(piece)
        if self._text.stopped is not None or sequence.sampler.over:
            self._end("stop")
        elif self.room <= 0:
            self._end("length")
        return self.open

    def saw(self, number: float) -> None:
        """Record a number that a gate judges by; it is sent with the next token."""
        self._seen.append(number)

    def delta(self) -> Delta:
        """Return what is new since the last call, for the front."""
        tokens = self.provenance.tokens[self._told :]
        self._told += len(tokens)
        text, self._new = self._new, ""
        seen, self._seen, self._due = self._seen[: self._due], self._seen[self._due :], 0
        logprobs = self._withheld.sent(text) if self._reports else []
        withheld = self._withheld.waiting if self._reports and self.open else []
        id, made = self.request.id, self._made
        return Delta(id, self.index, text, tokens, logprobs, made, withheld, seen)

    def finished(self, now: float) -> Finished:
        """Return the closing message of a complete answer."""
        assert self.reason is not None
        first = self._started if self._first is None else self._first
        sequence = self.sequences[0]
        timings = Timings(
            queue_s=self._started - self.arrived,
            prefill_s=first - self._started,
            decode_s=now - first,
            prompt_tokens=len(sequence.prompt),
            cached_tokens=min(sequence.cached, len(sequence.prompt)),
            completion_tokens=len(self.provenance.tokens) - self._resumed,
        )
        stop = self._text.stopped
        made, id = self._made, self.request.id
        cost, check = self._constraint_cost, self._check_cost
        return Finished(id, self.index, self.reason, timings, stop, made, cost, check)

    @property
    def _made(self) -> Made | None:
        return self.provenance.made if self.request.mode else None

    @property
    def _constraint_cost(self) -> ConstraintCost | None:
        matchers = [s.sampler.matcher for s in self.sequences if s.sampler.matcher is not None]
        if not matchers:
            return None
        compile_s = sum(matcher.compile_s for matcher in matchers)
        mask_s, wait_s = sum(m.mask_s for m in matchers), sum(m.wait_s for m in matchers)
        return ConstraintCost(compile_s, mask_s, self._forced, wait_s)

    @property
    def _check_cost(self) -> CheckCost | None:
        check = self.sequences[0].sampler.check
        if check is None:
            return None
        greedy = self.request.sampling.temperature == 0.0
        return replace(check.cost, log_weight=None if greedy else self._log_weight)

    def _turn_to(self, sequence: ModelSequence) -> None:
        self.at = sequence
        self.provenance.catch_up += sequence.catch_up()
        if sequence.full:
            self._end("length")

    def _end(self, reason: str) -> None:
        """End the answer; text that was held back is sent, and may still complete a stop string."""
        self._new += self._text.finish()
        self.reason = reason if self._text.stopped is None else "stop"


def _logprob(backend: Backend, choice: SampledToken) -> TokenLogprob | None:
    if choice.logprob is None:
        return None
    top = [(backend.piece(token), logprob) for token, logprob in choice.top]
    return TokenLogprob(backend.piece(choice.token), choice.logprob, top)
