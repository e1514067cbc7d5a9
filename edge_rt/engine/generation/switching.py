"""Write an answer with one model, or with two in turns."""

from __future__ import annotations

from edge_rt.decoding.gate import Gate, GateVerdict, Writer
from edge_rt.engine.generation.drafting import forced
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import ModelSequence


def single(answer: Generation) -> DecodingStrategy:
    """Write with a model by itself."""
    (sequence,) = answer.sequences
    while answer.open:
        yield sequence
        answer.take(sequence, sequence.sampler.sample(sequence.logits()))
        if sequence.sampler.matcher is not None:
            yield from forced(answer, sequence)


def switching(answer: Generation, gate: Gate) -> DecodingStrategy:
    """Have the model and its partner write by turns, as `gate` says.

    The next token is judged before it is drawn. Where the turn may not change yet, the writer goes
    on until it may; where the partner's context is full, the model goes on alone. A replay takes
    the numbers that were seen then, and reads no token again.
    """
    large, small = answer.sequences
    writer = gate.opens
    while answer.open:
        answer.provenance.threshold = gate.threshold
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
    """Return the next token, replayed or drawn, and the sequence that writes it."""
    return answer.retold or (sequence, sequence.sampler.guess(sequence.logits()))


def _write(answer: Generation, sequence: ModelSequence, token: int) -> bytes:
    """Have it go on by that; the bytes that it stands for."""
    if answer.replay.over:
        answer.take(sequence, sequence.sampler.take(sequence.logits(), token))
    else:
        answer.retell()
    return sequence.backend.piece(token)
