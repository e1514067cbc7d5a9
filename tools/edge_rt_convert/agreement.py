"""How far two models agree about a text, and how well each expects it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """One model beside a reference, over `positions` of a text.

    `kl_nats`: mean divergence from the reference's expectations to the model's. `top1`: share of
    positions where both expect the same token most. `margin_nats`: where they do not, the most by
    which the reference preferred its own choice to its second. `perplexity`: of the model.
    `drift_nats`: by how much the text surprises it more than the reference, per token, which is
    the logarithm of the ratio of their perplexities; `drift_error_nats`: the standard error of
    that, for another text of the kind would give another figure.
    """

    positions: int
    kl_nats: float
    top1: float
    margin_nats: float
    perplexity: float
    drift_nats: float
    drift_error_nats: float


class Tally:
    """Adds up an Agreement, window by window."""

    def __init__(self) -> None:
        self._positions = self._same = 0
        self._kl = self._margin = 0.0
        self._surprises: list[float] = []
        self._drifts: list[float] = []

    def add(self, tokens: Sequence[int], reference: np.ndarray, model: np.ndarray) -> None:
        """Logits (tokens, vocab) of both for a text."""
        for at in range(len(tokens)):
            ours, theirs = log_shares(model[at]), log_shares(reference[at])
            self._compare(theirs, ours)
            if at + 1 < len(tokens):
                token = tokens[at + 1]
                self._surprises.append(-float(ours[token]))
                self._drifts.append(float(theirs[token] - ours[token]))

    def _compare(self, reference: np.ndarray, model: np.ndarray) -> None:
        self._positions += 1
        self._kl += float(np.exp(reference) @ (reference - model))
        second, first = np.sort(np.partition(reference, -2)[-2:])
        if reference.argmax() == model.argmax():
            self._same += 1
        else:
            self._margin = max(self._margin, float(first - second))

    def result(self) -> Agreement:
        """Return the agreement over all tokens that were added, two at least."""
        drifts = np.array(self._drifts)
        return Agreement(
            positions=self._positions,
            kl_nats=self._kl / self._positions,
            top1=self._same / self._positions,
            margin_nats=self._margin,
            perplexity=math.exp(sum(self._surprises) / len(self._surprises)),
            drift_nats=float(drifts.mean()),
            drift_error_nats=float(drifts.std() / math.sqrt(len(drifts))),
        )


def log_shares(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the softmax, in float64."""
    moved = logits.astype(np.float64) - logits.max()
    return moved - math.log(np.exp(moved).sum())
