"""Write an answer with drafts, which the model verifies, and tokens that a constraint forces."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol

from typing_extensions import override

from edge_rt.backends.base import Heads
from edge_rt.decoding.distribution import Logits, LogitsView
from edge_rt.decoding.draft_length import DraftLength
from edge_rt.decoding.drafts import Exact, Lookup, LookupPool, confidence
from edge_rt.decoding.entropy_gate import EntropyGate
from edge_rt.decoding.experience import CLOSE, PassTimes
from edge_rt.decoding.sampler import SampledToken
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import ModelSequence

_NEARER = 2  # tokens that a match in the text itself may be shorter, and still be the better one

Look = Callable[[LogitsView], float]
"""Gets one number from a model's distribution of the next token."""


def single(answer: Generation) -> DecodingStrategy:
    """Write with a model by itself."""
    (sequence,) = answer.sequences
    while answer.open:
        yield sequence
        answer.take(sequence, sequence.sampler.sample(sequence.logits()))
        if sequence.sampler.matcher is not None:
            yield from forced(answer, sequence)


def forced(answer: Generation, sequence: ModelSequence) -> DecodingStrategy:
    """Write the tokens that must come next, as `sequence`, if the answer is open.

    The model reads them together, with the next pass; here only where their log-probabilities are
    reported.
    """
    while answer.open and (tokens := sequence.sampler.forced()):
        if sequence.sampler.reports:
            yield from _reported(answer, sequence, tokens)
            continue
        for token in tokens:
            sequence.sampler.feed((token,))
            if not answer.take(sequence, SampledToken(token, None, []), forced=True):
                break


def _reported(
    answer: Generation, sequence: ModelSequence, tokens: Sequence[int]
) -> DecodingStrategy:
    """Write as many of them as one pass gives logits for."""
    sequence.verify(list(tokens[: sequence.backend.outputs - 1]))
    yield sequence
    for place, token in enumerate(tokens[: len(sequence.draft) + 1]):
        choice = sequence.sampler.take(sequence.logits(place), token)
        if not answer.take(sequence, choice, forced=True):
            break
    sequence.forget_draft()


Guesses = Generator[ModelSequence, None, list[int]]
"""Says which sequence is to read next, and in the end how the text may go on."""


class Source(Protocol):
    """Drafts how the text of an answer may go on."""

    def draft(self, most: int, left: int) -> Guesses:
        """Return at most `most` tokens, one at least; `left` may still come of the answer."""
        ...

    def verified(self, drafted: int, accepted: int) -> None:
        """Note that `drafted` tokens of the last draft were read, and so many accepted."""
        ...


class LookupSource:
    """What followed the last time that the text ran like this, or one in a pool.

    That of the longer match counts; the text's own is preferred.
    """

    def __init__(
        self,
        sequence: ModelSequence,
        length: DraftLength | EntropyGate,
        pooled: tuple[LookupPool, DraftLength] | None = None,
    ) -> None:
        """`pooled`: earlier texts, and the length of drafts from there."""
        self._sequence = sequence
        self._length = self._own_length = length
        self._pooled = pooled
        self._lookup = Lookup()
        self._fed = 0
        self._sure: list[float] = []

    def draft(self, most: int, left: int) -> Guesses:
        text = self._sequence.text
        if not self._fed:
            self._length.read(self._sequence.spent_s)
        self._lookup.feed(text[self._fed :])
        self._fed = len(text)
        found, matched = self._lookup.draft(most), self._lookup.matched
        self._length = self._own_length
        if self._pooled is not None:
            pool, length = self._pooled
            other = pool.draft(text, most)
            if pool.matched > matched + _NEARER:
                found, matched, self._length = other, pool.matched, length
        drafted = list(_to_end(found, self._sequence.backend.ends))
        sure = [confidence(matched)] * len(drafted)
        self._sure = sure[: self._length.cut(sure)]
        yield from ()
        return drafted[: len(self._sure)]

    def verified(self, drafted: int, accepted: int) -> None:
        self._length.verified(self._sure[:drafted], accepted)


class _Guesser:
    """Guesses a draft token by token, while its length gains by the next one."""

    def __init__(
        self,
        sequence: ModelSequence,
        length: DraftLength | EntropyGate,
        times: PassTimes,
        look: Look = lambda view: view.confidence,
    ) -> None:
        self._sequence = sequence
        self._length = length
        self._times = times
        self._look = look
        self._sure: list[float] = []

    def verified(self, drafted: int, accepted: int) -> None:
        self._length.verified(self._sure[:drafted], accepted)

    def _adds(self, drafted: list[int], logits: Logits, most: int) -> bool:
        """Add what `logits` say to the draft if it gains; return whether to guess another one."""
        token = self._sequence.sampler.guess(logits, drafted)
        guess = self._look(LogitsView(logits))
        if not self._length.adds(self._sure, guess):
            return False
        drafted.append(token)
        self._sure.append(guess)
        self._added(token)
        ends = len(drafted) == most or self._sequence.backend.ends(token)
        return not ends and self._length.goes_on(self._sure)

    def _added(self, token: int) -> None:
        """Take note of a token of the draft."""


class DraftModel(_Guesser):
    """What a smaller model would write, with the random numbers of those places."""

    def draft(self, most: int, left: int) -> Guesses:
        sequence, drafted = self._sequence, list[int]()
        self._sure.clear()
        sequence.forget_draft()
        most = min(most, sequence.backend.context - len(sequence.text) - 1)
        if most < 1 or not self._length.begins(sequence.unread, left):
            return drafted
        while True:
            yield sequence
            self._note_time()
            if not self._adds(drafted, sequence.logits(), most):
                return drafted

    @override
    def _added(self, token: int) -> None:
        self._sequence.guess(token)

    def _note_time(self) -> None:
        sequence = self._sequence
        if sequence.read <= CLOSE:
            self._times.draft.add(sequence.spent_s)
        else:
            self._times.read.add(sequence.spent_s / sequence.read)


class HeadsSource(_Guesser):
    """What the heads of the model guess that it writes."""

    def __init__(
        self,
        sequence: ModelSequence,
        heads: Heads,
        length: DraftLength,
        times: PassTimes,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(sequence, length, times)
        self._heads, self._clock = heads, clock

    def draft(self, most: int, left: int) -> Guesses:
        yield from ()
        sequence, drafted = self._sequence, list[int]()
        self._sure.clear()
        tokens, states = sequence.states(self._heads)
        if not tokens or not self._length.begins(0, left):
            return drafted
        start = len(sequence.text) - len(tokens)
        while True:
            began = self._clock()
            ahead = self._heads.guess(sequence.held.id, start, tokens, states)
            self._times.draft.add(self._clock() - began)
            if ahead is None or not self._adds(drafted, ahead.logits, most):
                return drafted
            start, tokens, states = start + len(tokens), drafted[-1:], [ahead.state]


def _to_end(tokens: Iterable[int], ends: Callable[[int], bool]) -> Iterator[int]:
    """Yield tokens up to the first that ends an answer.

    What a conversation went on with is another's text. An image is nothing that one can write.
    """
    for token in tokens:
        if token < 0:
            return
        yield token
        if ends(token):
            return


class Drafting:
    """The model of an answer reads drafts in one pass each, and keeps them as far as `rule` does.

    Sources are asked in order until one has a draft, for at most `most` tokens, behind the first
    token. Drafted tokens that are kept count as the work of `writer`.
    """

    def __init__(
        self,
        answer: Generation,
        sources: Sequence[Source],
        rule: Exact | EntropyGate,
        times: PassTimes,
        *,
        most: int,
        writer: ModelSequence | None = None,
    ) -> None:
        self._answer = answer
        self._target = answer.sequences[0]
        self._sources = sources
        self._rule = rule
        self._times = times
        self._most = most
        self._writer = writer

    def strategy(self) -> DecodingStrategy:
        answer, target = self._answer, self._target
        if answer.provenance.tokens:  # of an engine that was lost before it told the others
            yield from forced(answer, target)
        while answer.open:
            source, draft = yield from self._draft()
            target.verify(target.sampler.possible(draft))
            yield target
            drafted = len(target.draft)
            self._note_time(drafted)
            accepted = self._follow()
            if isinstance(self._rule, EntropyGate):
                answer.provenance.threshold = self._rule.threshold
            answer.provenance.verified(accepted, drafted - accepted)
            if source is not None:
                source.verified(drafted, accepted)
            yield from forced(answer, target)

    def _draft(self) -> Generator[ModelSequence, None, tuple[Source | None, list[int]]]:
        """Return a draft and whose it is, or else who was asked last for one."""
        source, draft, left = None, list[int](), self._answer.room
        most = min(self._most, left - 1, self._target.backend.outputs - 1)
        if most < 1 or not self._answer.provenance.tokens:
            return source, draft
        for source in self._sources:
            draft = yield from source.draft(most, left)
            if draft:
                break
        return source, draft

    def _follow(self) -> int:
        """Take what the target makes of the draft; how much of it that is."""
        target, draft = self._target, list(self._target.draft)
        rows = map(target.logits, range(len(draft) + 1))
        accepted = 0
        for kept in self._rule.follow(draft, target.sampler, rows):
            accepted += kept.drafted
            if kept.seen is not None:
                self._answer.saw(kept.seen)
            if not self._answer.take(
                target, kept.choice, by=self._writer if kept.drafted else None
            ):
                break
        return accepted

    def _note_time(self, drafted: int) -> None:
        target = self._target
        if target.read != drafted + 1:
            return  # it had more to read
        if drafted:
            self._times.verify_took(target.read, target.spent_s)
        else:
            self._times.alone.add(target.spent_s)
