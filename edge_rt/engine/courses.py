"""How one model writes an answer, and how two do by turns."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Writer
from edge_rt.decoding.view import View
from edge_rt.engine.answer import Answer, Course
from edge_rt.engine.seat import Seat


def single(answer: Answer) -> Course:
    """A model by itself."""
    (seat,) = answer.seats
    while answer.open:
        yield seat
        logits = seat.logits()
        answer.look(logits)
        answer.take(seat, seat.sampler.sample(logits))


def switching(answer: Answer, gate: Gate) -> Course:
    """The model and its partner write by turns, as `gate` says.

    What the model at turn makes of the next token is judged before it is drawn. Where the turn
    may not change yet, it writes on until that may be; see Seat.may_leave. Where the partner's
    context is full, the model goes on alone.
    """
    large, small = answer.seats
    writer = gate.opens
    for seat, token in answer.authors.written():
        name: Writer = "small" if seat is small else "large"
        writer = gate.took(name, seat.backend.piece(token)) or name
    while answer.open:
        if small.full:
            writer = "large"
        seat = small if writer == "small" else large
        yield seat
        verdict = gate.judge(writer, View(seat.logits()))
        then: Writer = verdict.then if verdict.take else "large"
        drawn = verdict.take or writer == "large"
        if drawn:
            piece = _write(answer, seat, seat.sampler.guess(seat.logits()))
            then = gate.took(writer, piece) or then
        if then != writer and answer.open:
            yield from _leaving(answer, seat, gate, writer, drawn)
        writer = then


def _leaving(answer: Answer, seat: Seat, gate: Gate, writer: Writer, drawn: bool) -> Course:
    """Write on to where another seat can go on; `drawn`: what was read has had its token."""
    while answer.open and not seat.full and not seat.may_leave(None):
        if drawn:
            yield seat
        token = seat.sampler.guess(seat.logits())
        if seat.may_leave(token):
            return
        gate.took(writer, _write(answer, seat, token))
        drawn = True


def _write(answer: Answer, seat: Seat, token: int) -> bytes:
    """Take what the seat would draw after what it read; the bytes that it stands for."""
    answer.take(seat, seat.sampler.take(seat.logits(), token))
    return seat.backend.piece(token)
