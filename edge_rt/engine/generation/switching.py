"""Write an answer with one model, with two in turns, or with a small one that hands over."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from edge_rt.decoding.distribution import DoubtMeter, LogitsView
from edge_rt.decoding.gate import Gate, GateVerdict, Writer
from edge_rt.decoding.sampler import SampledToken
from edge_rt.engine.generation.drafting import Guesses, Source, forced
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import ModelSequence

Drafted = Callable[[Source], DecodingStrategy]
"""How the large model goes on by itself while it is told how."""


def handing_over(
    answer: Generation, threshold: float, first: int, drafted: Drafted
) -> DecodingStrategy:
    """The small model drafts the `first` tokens; its doubt of them decides who writes on. Ours.

    Up to the threshold the draft begins the answer, and the small model goes on. Above it the large
    one reads the draft and keeps what it would have written, so that the whole answer is token for
    token its own. Nothing is sent before. Where the small context is full, the large model goes on.
    """
    large, small = answer.sequences
    written = [sequence for sequence, _ in answer.provenance.written()]
    if not written:
        meter = DoubtMeter(first)
        draft = yield from _draft(answer, meter)
        doubt = meter.doubt
        if doubt is None or doubt.score > threshold:
            answer.provenance.switches += 1
            yield from drafted(Begun(answer, [choice.token for choice in draft]))
            return
        _keep(answer, draft)
    sequence = written[-1] if written else small  # an engine before this one may have decided
    while answer.open:
        sequence = large if small.full else sequence
        yield sequence
        answer.take(sequence, sequence.sampler.sample(sequence.logits()))
        yield from forced(answer, sequence)


class Begun:
    """The beginning that another model drafted, as long as the answer runs like that.

    The rest of it is counted as rejected.
    """

    def __init__(self, answer: Generation, draft: list[int]) -> None:
        self._answer, self._left = answer, draft
        self._seen = len(answer.sequences[0].text)  # tokens, with those that were drafted

    def draft(self, most: int, left: int) -> Guesses:
        yield from ()
        if self._left:
            news = self._answer.sequences[0].text[self._seen :]
            right = self._left[: len(news)] == news
            self._told(len(news) if right else 0, right=right)
        return self._left[:most]

    def verified(self, drafted: int, accepted: int) -> None:
        self._told(drafted, right=accepted == drafted)

    def _told(self, count: int, *, right: bool) -> None:
        """So many of its tokens were compared with what the answer is, and found `right`."""
        self._left, self._seen = self._left[count:], self._seen + count
        if not right:
            self._answer.provenance.verified(0, len(self._left))
            self._left = []


def _draft(
    answer: Generation, meter: DoubtMeter
) -> Generator[ModelSequence, None, list[SampledToken]]:
    """What the small model would write as long as `meter` looks at it, one pass a token."""
    _, small = answer.sequences
    sampler = small.sampler.fork(0)  # what is drafted is not written yet
    draft: list[SampledToken] = []
    most = min(answer.room, small.backend.context - len(small.text))
    while len(draft) < most and not meter.complete:
        yield small
        logits = small.logits()
        meter.look(LogitsView(logits))
        draft.append(sampler.sample(logits))
        token = draft[-1].token
        small.guess(token)
        if small.backend.ends(token) and not answer.request.ignore_eos:
            break
    return draft


def _keep(answer: Generation, draft: Sequence[SampledToken]) -> None:
    """The small model has written that."""
    _, small = answer.sequences
    for choice in draft:
        small.sampler.feed((choice.token,))
        if not answer.take(small, choice):
            return


def single(answer: Generation) -> DecodingStrategy:
    """A model by itself."""
    (sequence,) = answer.sequences
    while answer.open:
        yield sequence
        logits = sequence.logits()
        answer.look(logits)
        answer.take(sequence, sequence.sampler.sample(logits))
        if sequence.sampler.matcher is not None:
            yield from forced(answer, sequence)


def switching(answer: Generation, gate: Gate) -> DecodingStrategy:
    """The model and its partner write by turns, as `gate` says.

    The next token is judged before it is drawn. Where the turn may not change yet, the writer goes
    on until it may; where the partner's context is full, the model goes on alone. A replay takes
    the numbers that were seen then, and reads no token again.
    """
    large, small = answer.sequences
    writer = gate.opens
    while answer.open:
        if small.full:
            writer = "large"
        sequence = small if writer == "small" else large
        yield sequence
        verdict = _judged(answer, sequence, gate, writer)
        then: Writer = verdict.then if verdict.take else "large"
        drawn = verdict.take or writer == "large"
        if drawn:
            sequence, token = _next(answer, sequence)
            writer = _name(answer, sequence)
            then = gate.took(writer, _write(answer, sequence, token)) or then
            for piece in (yield from forced(answer, sequence)):
                then = gate.took(writer, piece) or then
        if then != writer and answer.open:
            yield from _leaving(answer, sequence, gate, writer, drawn)
        writer = then


def _leaving(
    answer: Generation, sequence: ModelSequence, gate: Gate, writer: Writer, drawn: bool
) -> DecodingStrategy:
    """Write on to where another sequence can go on; `drawn`: what was read has had its token."""
    while answer.open and not sequence.full and not sequence.may_leave(None):
        if drawn:
            yield sequence
        by, token = _next(answer, sequence)
        if by is not sequence or sequence.may_leave(token):
            return
        gate.took(writer, _write(answer, sequence, token))
        for piece in (yield from forced(answer, sequence)):
            gate.took(writer, piece)
        drawn = True


def _judged(answer: Generation, sequence: ModelSequence, gate: Gate, writer: Writer) -> GateVerdict:
    look = gate.looks(writer)
    seen = 0.0 if look is None else answer.see(sequence, look)
    if seen is None:  # who wrote on is all that was told
        return GateVerdict(take=True, then=_name(answer, _next(answer, sequence)[0]))
    return gate.judge(writer, seen)


def _name(answer: Generation, sequence: ModelSequence) -> Writer:
    return "large" if sequence is answer.sequences[0] else "small"


def _next(answer: Generation, sequence: ModelSequence) -> tuple[ModelSequence, int]:
    """The next token and the sequence that writes it: replayed, or what `sequence` would draw."""
    return answer.retold or (sequence, sequence.sampler.guess(sequence.logits()))


def _write(answer: Generation, sequence: ModelSequence, token: int) -> bytes:
    """Have it go on by that; the bytes that it stands for."""
    if answer.replay.over:
        answer.take(sequence, sequence.sampler.take(sequence.logits(), token))
    else:
        answer.retell()
    return sequence.backend.piece(token)
