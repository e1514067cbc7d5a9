"""Logit bias and penalties."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.decoding import Dry, Sampling
from edge_rt.core.errors import RequestError
from edge_rt.decoding.distribution import Ids, Logits

_LARGEST = 88.72  # e^88.72 is about the most that float32 holds
_MOST = 1e38
_SHORT = 8  # tokens of a repetition, up to which most texts have none that is longer


class Adjuster:
    """Applies one answer's logit bias and penalties, and remembers the tokens they depend on.

    Only the few logits that a bias or a penalty names are changed, in a copy that is made
    into one reused buffer; when nothing is to be changed there is no copy either.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        piece: Callable[[int], bytes] = lambda token: b"",
    ) -> None:
        """`piece` gives the bytes of a token, in which breakers are looked for."""
        self._repeat = sampling.repeat_penalty
        self._window = sampling.penalty_last_n if sampling.repeat_penalty != 1.0 else 0
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._recent = array("q", prompt if self._window else ())
        self._counts: dict[int, int] = {}
        self._bias_ids = np.array(list(sampling.logit_bias), np.int64)
        self._bias = np.array(list(sampling.logit_bias.values()), np.float32)
        self._scratch: Logits | None = None
        self._dry = None if sampling.dry is None else DryPenalty(sampling.dry, prompt, piece)
        counts = self._presence or self._frequency
        self._changes = bool(self._window or counts or sampling.dry or self._bias_ids.size)

    def record(self, token: int) -> None:
        """`token` is now part of the answer."""
        if self._window:
            self._recent.append(token)
        if self._presence or self._frequency:
            self._counts[token] = self._counts.get(token, 0) + 1
        if self._dry is not None:
            self._dry.record(token)

    def apply(self, logits: Logits) -> Logits:
        """Return the adjusted logits, good until the next call; `logits` itself if nothing changes.

        Raises RequestError when the bias names a token that the vocabulary does not have.
        """
        if not self._changes:
            return logits
        window, counted = self._repeated(), bool(self._counts)
        repeated = {} if self._dry is None else self._dry.penalties()
        if not (self._bias_ids.size or window.size or counted or repeated):
            return logits
        scratch = self._copy(logits)
        scratch[self._bias_ids] += self._bias
        self._penalise_repeats(scratch, window)
        if counted:
            self._penalise_counts(scratch)
        for token, penalty in repeated.items():
            scratch[token] -= np.float32(penalty)
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


class DryPenalty:
    """What each token loses that would lengthen a repetition; see Dry."""

    def __init__(self, dry: Dry, prompt: Sequence[int], piece: Callable[[int], bytes]) -> None:
        self._dry, self._piece = dry, piece
        self._breakers = [breaker.encode() for breaker in dry.breakers]
        self._reach = max(map(len, self._breakers), default=1) - 1
        self._tail = b""  # of the text, as much as a breaker may begin in
        self._since = 0  # tokens since the last breaker
        self._tokens = array("q")
        self._known: dict[int, float] | None = None
        grows = math.log(dry.base) if dry.base > 1.0 else 0.0
        self._longest = dry.allowed + int(_LARGEST / grows) if grows > 1e-6 else None
        for token in prompt:
            self.record(token)

    def record(self, token: int) -> None:
        """`token` is now part of the text."""
        piece, self._known = self._piece(token), None
        self._tokens.append(token)
        self._since = 0 if self._breaks(piece) else self._since + 1
        self._tail = (self._tail + piece)[-self._reach :] if self._reach else b""

    def penalties(self) -> dict[int, float]:
        """Return what each token's logit loses, by token."""
        if self._known is None:
            dry = self._dry
            self._known = {
                token: min(dry.multiplier * dry.base ** (length - dry.allowed), _MOST)
                for token, length in self._lengths().items()
                if not any(breaker in self._piece(token) for breaker in self._breakers)
            }
        return self._known

    def _breaks(self, piece: bytes) -> bool:
        """Return whether a breaker ends in `piece`."""
        text = self._tail + piece
        return any(
            text.find(one, max(0, len(text) - len(piece) - len(one) + 1)) >= 0
            for one in self._breakers
        )

    def _lengths(self) -> dict[int, int]:
        """Return the length in tokens of the repetition that each token would lengthen."""
        dry, found = self._dry, dict[int, int]()
        first = 0 if dry.last_n < 0 else max(0, len(self._tokens) - dry.last_n)
        recent = self._tokens[first:]
        if dry.last_n == 0 or len(recent) <= dry.allowed:
            return found
        text = np.array(recent, np.int64)
        most = min(self._since, text.size, self._longest or text.size)
        ends = np.flatnonzero(text[:-1] == text[-1])  # of what stands at the text's end, too
        for length in range(1, min(most, _SHORT) + 1):
            if length >= dry.allowed:
                found |= dict.fromkeys(text[ends + 1].tolist(), length)
            ends = ends[ends >= length]
            if not ends.size:
                return found
            ends = ends[text[ends - length] == text[-1 - length]]
        return _long_lengths(recent.tolist(), dry.allowed, most) if most > _SHORT else found


def _long_lengths(text: list[int], allowed: int, most: int) -> dict[int, int]:
    """Return the lengths of repetitions, in a time that grows linearly with the text.

    `lengths` are of what is alike at the text's end and so far before it: its Z-array, read
    backwards.
    """
    text.reverse()
    lengths, found = [0] * len(text), dict[int, int]()
    begin = end = 0  # of what was found to be alike furthest from the text's end
    for at in range(1, len(text)):
        length = min(end - at, lengths[at - begin]) if at < end else 0
        while at + length < len(text) and text[length] == text[at + length]:
            length += 1
        lengths[at] = length
        if at + length > end:
            begin, end = at, at + length
        if min(length, most) >= allowed:
            found[text[at - 1]] = max(found.get(text[at - 1], 0), min(length, most))
    return found
