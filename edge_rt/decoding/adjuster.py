"""Logit bias and penalties."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import RequestError
from edge_rt.decoding.distribution import Ids, Logits


class Adjuster:
    """Applies one answer's logit bias and penalties, and remembers the tokens they depend on.

    Only the few logits that a bias or a penalty names are changed, in a copy that is made
    into one reused buffer; when nothing is to be changed there is no copy either.
    """

    def __init__(self, sampling: Sampling, prompt: Sequence[int]) -> None:
        self._repeat = sampling.repeat_penalty
        self._window = sampling.penalty_last_n if sampling.repeat_penalty != 1.0 else 0
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._recent = array("q", prompt if self._window else ())
        self._counts: dict[int, int] = {}
        self._bias_ids = np.array(list(sampling.logit_bias), np.int64)
        self._bias = np.array(list(sampling.logit_bias.values()), np.float32)
        self._scratch: Logits | None = None
        counts = self._presence or self._frequency
        self._changes = bool(self._window or counts or self._bias_ids.size)

    def record(self, token: int) -> None:
        """`token` is now part of the answer."""
        if self._window:
            self._recent.append(token)
        if self._presence or self._frequency:
            self._counts[token] = self._counts.get(token, 0) + 1

    def apply(self, logits: Logits) -> Logits:
        """Return the adjusted logits, good until the next call; `logits` itself if nothing changes.

        Raises RequestError when the bias names a token that the vocabulary does not have.
        """
        if not self._changes:
            return logits
        window, counted = self._repeated(), bool(self._counts)
        if not (self._bias_ids.size or window.size or counted):
            return logits
        scratch = self._copy(logits)
        scratch[self._bias_ids] += self._bias
        self._penalise_repeats(scratch, window)
        if counted:
            self._penalise_counts(scratch)
        return scratch

    def _copy(self, logits: Logits) -> Logits:
        if self._scratch is None:
            self._check_ids(logits.size)
            self._scratch = np.empty_like(logits)
        np.copyto(self._scratch, logits)
        return self._scratch

    def _check_ids(self, vocab: int) -> None:
        if self._bias_ids.size and int(self._bias_ids.max()) >= vocab:
            raise RequestError(
                f"logit_bias names token {int(self._bias_ids.max())}, but the model's tokens are "
                f"0 to {vocab - 1}",
                param="logit_bias",
            )

    def _repeated(self) -> Ids:
        """Return the tokens under the repeat penalty, with repetitions."""
        recent = self._recent if self._window < 0 else self._recent[-self._window :]
        return np.array(recent, np.int64)

    def _penalise_repeats(self, scratch: Logits, window: Ids) -> None:
        # A token that is in the window twice is computed twice from the same logit: once counts.
        before = scratch[window]
        repeat = np.float32(self._repeat)
        scratch[window] = np.where(before > 0, before / repeat, before * repeat)

    def _penalise_counts(self, scratch: Logits) -> None:
        size = len(self._counts)
        ids = np.fromiter(self._counts.keys(), np.int64, size)
        counts: NDArray[np.float32] = np.fromiter(self._counts.values(), np.float32, size)
        scratch[ids] -= counts * np.float32(self._frequency) + np.float32(self._presence)
