"""How a model writes an answer of which it is told how it may go on."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from edge_rt.decoding.sampling.ranking import Logits
from edge_rt.decoding.speculative.accept import Acceptance
from edge_rt.decoding.speculative.pass_times import PassTimes
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import ModelSequence
from edge_rt.engine.strategies.drafts import Source


class Drafting:
    """The model of an answer reads drafts in one pass each, and keeps them as far as `rule` does.

    Sources are asked in their order until one has a draft, for at most `most` tokens, from the
    answer's token `first` on, and never for its very first. Drafted tokens that are kept count as
    the work of `writer`.
    """

    def __init__(
        self,
        answer: Generation,
        sources: Sequence[Source],
        rule: Acceptance,
        times: PassTimes,
        *,
        most: int,
        first: int = 1,
        writer: ModelSequence | None = None,
    ) -> None:
        self._answer = answer
        self._target = answer.seats[0]
        self._sources = sources
        self._rule = rule
        self._times = times
        self._most = most
        self._first = max(first, 1)
        self._writer = writer

    def course(self) -> DecodingStrategy:
        """See Course."""
        answer, target = self._answer, self._target
        while answer.open:
            source, draft = yield from self._draft()
            target.verify(draft)
            yield target
            drafted = len(target.draft)
            self._note_time(drafted)
            accepted = self._follow()
            answer.authors.verified(accepted, drafted - accepted)
            if source is not None:
                source.verified(drafted, accepted)

    def _draft(self) -> Generator[ModelSequence, None, tuple[Source | None, list[int]]]:
        """A draft and whose it is, or else who was asked last for one."""
        source, draft, left = None, list[int](), self._answer.room
        most = min(self._most, left - 1, self._target.backend.outputs - 1)
        written = len(self._answer.authors.tokens)
        if most < 1 or written < self._first:
            return source, draft
        for source in self._sources:
            draft = yield from source.draft(most, left)
            if draft:
                break
        return source, draft

    def _follow(self) -> int:
        """Take what the target makes of the draft; how much of it that is."""
        target, draft = self._target, list(self._target.draft)
        rows = map(self._seen, range(len(draft) + 1))
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

    def _seen(self, place: int) -> Logits:
        logits = self._target.logits(place)
        self._answer.look(logits)
        return logits

    def _note_time(self, drafted: int) -> None:
        target = self._target
        if target.read != drafted + 1:
            return  # it had more to read
        if drafted:
            self._times.verify_took(target.read, target.spent_s)
        else:
            self._times.alone_took(target.spent_s)
