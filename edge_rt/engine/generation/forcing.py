"""Tokens that a constraint leaves no choice of: they are taken without a pass of their own."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from edge_rt.decoding.sampler import SampledToken
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.generation.model_sequence import ModelSequence

Pieces = Generator[ModelSequence, None, list[bytes]]
"""Says which sequence is to read next, and in the end the bytes that were written."""


def forced(answer: Generation, sequence: ModelSequence) -> Pieces:
    """Write the tokens that must come next, as `sequence`, if the answer is open.

    The model reads them together, with the next pass; here only where their log-probabilities are
    reported.
    """
    pieces: list[bytes] = []
    while answer.open and (tokens := sequence.sampler.forced()):
        if not answer.replay.over:
            answer.retell()
            pieces.append(sequence.backend.piece(tokens[0]))
        elif sequence.sampler.reports:
            pieces += yield from _reported(answer, sequence, tokens)
        else:
            pieces += _unread(answer, sequence, tokens)
    return pieces


def _unread(answer: Generation, sequence: ModelSequence, tokens: Sequence[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for token in tokens:
        sequence.sampler.feed((token,))
        pieces.append(sequence.backend.piece(token))
        if not answer.take(sequence, SampledToken(token, None, []), forced=True):
            break
    return pieces


def _reported(answer: Generation, sequence: ModelSequence, tokens: Sequence[int]) -> Pieces:
    """Write as many of them as one pass gives logits for."""
    sequence.verify(list(tokens[: sequence.backend.outputs - 1]))
    yield sequence
    pieces: list[bytes] = []
    for place, token in enumerate(tokens[: len(sequence.draft) + 1]):
        choice = sequence.sampler.take(sequence.logits(place), token)
        pieces.append(sequence.backend.piece(token))
        if not answer.take(sequence, choice, forced=True):
            break
    sequence.forget_draft()
    return pieces
