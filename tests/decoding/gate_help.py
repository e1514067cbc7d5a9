"""What tests of gates share: logits of a given entropy, and an answer as an engine writes it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from edge_rt.decoding.distribution import LogitsView
from edge_rt.decoding.gate import Gate, GateVerdict, Writer

VOCAB = 64  # so that entropies go up to ln 64 = 4.16 nats
SURER = 0.8  # the large model's entropy, of the small one's


@lru_cache
def _slopes() -> tuple[np.ndarray, np.ndarray]:
    """Entropies in nats, rising, of logits that fall by so much with each token."""
    slopes = np.geomspace(30.0, 1e-3, 4000)
    logits = -slopes[:, None] * np.arange(VOCAB)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1), slopes


def seen(nats: float) -> LogitsView:
    """Return what a model makes of a token of that entropy."""
    entropies, slopes = _slopes()
    slope = float(np.interp(nats, entropies, slopes))
    return LogitsView((-slope * np.arange(VOCAB)).astype(np.float32))


def judged(gate: Gate, writer: Writer, view: LogitsView) -> GateVerdict:
    """Return what is to be done where that is what `writer` makes of the next token."""
    look = gate.looks(writer)
    return gate.judge(writer, 0.0 if look is None else look(view))


def written(
    gate: Gate, nats: Iterable[float], pieces: Iterable[bytes] | None = None
) -> list[Writer]:
    """Return who writes each token of an answer with these entropies, in the order of an engine."""
    writer, writers = gate.opens, []
    for value, piece in zip(nats, pieces or iter(lambda: b"x", b""), strict=False):
        verdict = judged(gate, writer, _of(writer, value))
        if not verdict.take:
            assert (writer, verdict.then) == ("small", "large")
            writer = verdict.then
            verdict = judged(gate, writer, _of(writer, value))
            assert verdict.take
        writers.append(writer)
        writer = gate.took(writer, piece) or verdict.then
    return writers


def runs(writers: list[Writer]) -> list[tuple[Writer, int]]:
    """Runs of one writer, and how long they are."""
    found: list[tuple[Writer, int]] = []
    for writer in writers:
        if found and found[-1][0] == writer:
            found[-1] = (writer, found[-1][1] + 1)
        else:
            found.append((writer, 1))
    return found


def stream(seed: int, tokens: int, *, clustering: float = 0.5, scale: float = 0.3) -> list[float]:
    """Entropies as of a text: over several orders of magnitude, and hard tokens near hard ones."""
    noise = np.random.default_rng(seed).normal(size=tokens)
    level, levels = 0.0, []
    for step in noise:
        level = clustering * level + (1 - clustering**2) ** 0.5 * step
        levels.append(min(float(scale * np.exp(1.5 * level)), 4.1))
    return levels


def share(writers: list[Writer]) -> float:
    """Of the large model."""
    return writers.count("large") / len(writers)


def _of(writer: Writer, nats: float) -> LogitsView:
    return seen(nats * SURER if writer == "large" else nats)
