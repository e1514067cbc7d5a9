"""Draw tokens from logits, one sampler for each answer."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.errors import EngineBroken, RequestError
from edge_rt.decoding.distribution import Ids, Logits, mass, ranked, top_floor
from edge_rt.decoding.draws import draw, fork_seed, uniform
from edge_rt.decoding.params import Sampling


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

    def record(self, token: int) -> None:
        """`token` is now part of the answer."""
        if self._window:
            self._recent.append(token)
        if self._presence or self._frequency:
            self._counts[token] = self._counts.get(token, 0) + 1

    def apply(self, logits: Logits) -> Logits:
        """The adjusted logits, good until the next call; `logits` itself if nothing changes.

        Raises RequestError when the bias names a token that the vocabulary does not have.
        """
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
        """The tokens under the repeat penalty, with repetitions."""
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


class SampledToken(NamedTuple):
    """A drawn token.

    `logprob` is None and `top` empty unless `Sampling.top_logprobs` asks for them. `top` holds
    the most likely tokens, likeliest first, whether or not the drawn one is among them.
    Log-probabilities are natural and those of the model itself: log-softmax of the logits as they
    came, before bias, penalties and temperature.
    """

    token: int
    logprob: float | None
    top: list[tuple[int, float]]


class Sampler:
    """Draws the tokens of one answer.

    The order is: logit bias, penalties, then at temperature 0 the largest logit (of equal ones
    the lowest id), else temperature, top_k, top_p, min_p and a draw by inverse CDF over what is
    left, in the order of falling logit and rising id. `repeat_penalty` looks at the last
    `penalty_last_n` tokens of prompt and answer and divides positive logits and multiplies the
    others; presence and frequency penalties look at the whole answer and not at the prompt.

    The k-th token of an answer takes the k-th number of the stream that `seed` names, so equal
    logits give equal tokens whatever else runs, and after `feed` the answer goes on as if it had
    never been interrupted.
    """

    def __init__(self, sampling: Sampling, *, seed: int, prompt: Sequence[int] = ()) -> None:
        """`sampling.seed` is not looked at. Raises RequestError on values out of range."""
        _check(sampling)
        self._sampling = sampling
        self._seed = seed
        self._prompt = prompt
        self._adjuster = Adjuster(sampling, prompt)
        self._drawn = 0

    def fork(self, index: int) -> Sampler:
        """A new sampler for answer `index` to the same prompt, with a stream of its own.

        Answer 0 has this sampler's seed. Tokens drawn so far are not carried over.
        """
        seed = fork_seed(self._seed, index)
        return Sampler(self._sampling, seed=seed, prompt=self._prompt)

    def feed(self, tokens: Iterable[int]) -> None:
        """Record `tokens` as the answer's next ones, as if they had been drawn here."""
        for token in tokens:
            self._drawn += 1
            self._adjuster.record(token)

    def sample(self, logits: Logits) -> SampledToken:
        """Draw and record the next token from `logits`, (vocab,) float32, which are only read.

        Raises EngineBroken when no distribution can be made of them (NaN, +inf or nothing but
        -inf) and RequestError when the logit bias names a token outside the vocabulary.
        """
        return self.take(logits, self.guess(logits))

    def guess(self, logits: Logits, ahead: int = 0) -> int:
        """What would be drawn `ahead` tokens after the next one from `logits`; records nothing.

        Takes the random number of that position, so that another model's guess is often what is
        drawn there later; penalties are those of the answer as it is. Raises as `sample` does.
        """
        return self._pick(self._adjuster.apply(logits), ahead)

    def gap(self, logits: Logits, token: int) -> float:
        """How much likelier than `token` the likeliest token is: a difference of log-probabilities.

        In nats, at least 0, after bias and penalties and before temperature. Raises as `sample`
        does.
        """
        adjusted = self._adjuster.apply(logits)
        return _peak(adjusted)[1] - float(adjusted[token])

    def take(self, logits: Logits, token: int) -> SampledToken:
        """Record `token`, drawn elsewhere, as the next one; `logits` are what is reported of it."""
        logprob, top = self._report(logits, token)
        self.feed((token,))
        return SampledToken(token, logprob, top)

    def _pick(self, logits: Logits, ahead: int) -> int:
        best, peak = _peak(logits)
        if self._sampling.temperature == 0.0:
            return best
        return draw(logits, self._sampling, peak, uniform(self._seed, self._drawn + ahead))

    def _report(self, logits: Logits, token: int) -> tuple[float | None, list[tuple[int, float]]]:
        count = self._sampling.top_logprobs
        if count is None:
            return None, []
        peak = float(logits.max())
        norm = peak + math.log(mass(logits, peak))
        best = ranked(logits, top_floor(logits, count))[:count] if count > 0 else ()
        return float(logits[token]) - norm, [(int(i), float(logits[i]) - norm) for i in best]


def _peak(logits: Logits) -> tuple[int, float]:
    """The token of the largest logit, and that logit; EngineBroken where there is none to have."""
    best = int(logits.argmax())  # the first of equal ones, or the first NaN
    peak = float(logits[best])
    if not math.isfinite(peak):
        raise EngineBroken(_unusable(peak))
    return best, peak


def _unusable(peak: float) -> str:
    what = "NaN logits" if math.isnan(peak) else f"the largest logit is {peak}"
    return f"{what}: its output is no distribution; is its file damaged? edge-rt models verify"


def _check(sampling: Sampling) -> None:
    s = sampling
    for param, value, fits, range_ in (
        ("temperature", s.temperature, s.temperature >= 0, " of at least 0"),
        ("repeat_penalty", s.repeat_penalty, s.repeat_penalty > 0, " above 0"),
        ("presence_penalty", s.presence_penalty, True, ""),
        ("frequency_penalty", s.frequency_penalty, True, ""),
    ):
        if not (fits and math.isfinite(value)):
            raise RequestError(f"{param} must be a finite number{range_}, not {value}", param=param)
    for token, bias in s.logit_bias.items():
        if token < 0 or not math.isfinite(bias):
            raise RequestError(
                f"logit_bias must give token ids from 0 up finite numbers, not {token}: {bias}",
                param="logit_bias",
            )
