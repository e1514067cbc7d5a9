"""How one model writes an answer, and how two do by turns."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Verdict, Writer
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import ModelSequence


def single(answer: Generation) -> DecodingStrategy:
    """A model by itself."""
    (seat,) = answer.seats
    while answer.open:
        yield seat
        logits = seat.logits()
        answer.look(logits)
        answer.take(seat, seat.sampler.sample(logits))


def switching(answer: Generation, gate: Gate) -> DecodingStrategy:
    """The model and its partner write by turns, as `gate` says.

    What the model at turn makes of the next token is judged before it is drawn. Where the turn
    may not change yet, it writes on until that may be; see ModelSequence.may_leave. Where the
    partner's context is full, the model goes on alone.

    The past is gone through as it was made, with what was seen then; nothing is read again.
    """
    large, small = answer.seats
    writer = gate.opens
    while answer.open:
        if small.full:
            writer = "large"
        seat = small if writer == "small" else large
        yield seat
        verdict = _judged(answer, seat, gate, writer)
        then: Writer = verdict.then if verdict.take else "large"
        drawn = verdict.take or writer == "large"
        if drawn:
            seat, token = _next(answer, seat)
            writer = _name(answer, seat)
            then = gate.took(writer, _write(answer, seat, token)) or then
        if then != writer and answer.open:
            yield from _leaving(answer, seat, gate, writer, drawn)
        writer = then


def _leaving(
    answer: Generation, seat: ModelSequence, gate: Gate, writer: Writer, drawn: bool
) -> DecodingStrategy:
    """Write on to where another seat can go on; `drawn`: what was read has had its token."""
    while answer.open and not seat.full and not seat.may_leave(None):
        if drawn:
            yield seat
        by, token = _next(answer, seat)
        if by is not seat or seat.may_leave(token):
            return
        gate.took(writer, _write(answer, seat, token))
        drawn = True


def _judged(answer: Generation, seat: ModelSequence, gate: Gate, writer: Writer) -> Verdict:
    look = gate.looks(writer)
    seen = 0.0 if look is None else answer.see(seat, look)
    if seen is None:  # who wrote on is all that was told
        return Verdict(take=True, then=_name(answer, _next(answer, seat)[0]))
    return gate.judge(writer, seen)


def _name(answer: Generation, seat: ModelSequence) -> Writer:
    return "large" if seat is answer.seats[0] else "small"


def _next(answer: Generation, seat: ModelSequence) -> tuple[ModelSequence, int]:
    """By which token of whose the answer goes on: what was told, or what the seat would draw."""
    return answer.retold or (seat, seat.sampler.guess(seat.logits()))


def _write(answer: Generation, seat: ModelSequence, token: int) -> bytes:
    """Have it go on by that; the bytes that it stands for."""
    if answer.past.over:
        answer.take(seat, seat.sampler.take(seat.logits(), token))
    else:
        answer.retell()
    return seat.backend.piece(token)
