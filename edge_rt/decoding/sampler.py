"""Draw tokens from logits, one sampler for each answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import EngineBroken, RequestError
from edge_rt.decoding.adjuster import Adjuster
from edge_rt.decoding.distribution import Logits, mass, ranked, top_floor
from edge_rt.decoding.draws import draw, fork_seed, uniform
from edge_rt.decoding.rejection import by_draw, by_rank
from edge_rt.decoding.text import TextCheck

if TYPE_CHECKING:  # it loads a native library, which most answers do without
    from edge_rt.decoding.constraints.matcher import Matcher


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

    The order is: logit bias, penalties, the constraint's mask, then at temperature 0 the largest
    logit (of equal ones the lowest id), else temperature, top_k, top_p, min_p and a draw by inverse
    CDF over what is left, in the order of falling logit and rising id. `repeat_penalty` looks at
    the last `penalty_last_n` tokens of prompt and answer and divides positive logits and multiplies
    the others; presence and frequency penalties look at the whole answer and not at the prompt.

    The k-th token of an answer takes the k-th number of the stream that `seed` names, so equal
    logits give equal tokens whatever else runs, and after `feed` the answer goes on as if it had
    never been interrupted. Where the constraint leaves one token, that is taken, and its number
    with it. With a check the tokens are drawn in that same way until one is accepted; of those that
    top_k, top_p and min_p leave out, one is taken only where none of the others is.
    """

    def __init__(
        self,
        sampling: Sampling,
        *,
        seed: int,
        prompt: Sequence[int] = (),
        matcher: Matcher | None = None,
        check: TextCheck | None = None,
    ) -> None:
        """`sampling.seed` is not looked at.

        `matcher` is at the beginning of the constraint, and `check` at that of the text, None:
        there is none.
        """
        self._sampling = sampling
        self._seed = seed
        self._prompt = prompt
        self.matcher = matcher
        self.check = check
        self._adjuster = Adjuster(sampling, prompt)
        self._drawn = 0

    def fork(self, index: int) -> Sampler:
        """Return a new sampler for answer `index` to the same prompt, with a stream of its own.

        Answer 0 has this sampler's seed. Tokens drawn so far are not carried over.
        """
        seed, matcher = fork_seed(self._seed, index), self.matcher and self.matcher.fork()
        check = self.check and self.check.fork()
        return Sampler(
            self._sampling,
            seed=seed,
            prompt=self._prompt,
            matcher=matcher,
            check=check,
        )

    @property
    def reports(self) -> bool:
        """Whether log-probabilities are reported."""
        return self._sampling.top_logprobs is not None

    @property
    def over(self) -> bool:
        """Whether the answer is complete by its constraint or its check."""
        checked = self.check is not None and self.check.over
        return checked or (self.matcher is not None and self.matcher.over)

    def forced(self) -> list[int]:
        """Return the next tokens of the answer, of which the constraint leaves no choice.

        Under a check each token is a choice: it may be refused.
        """
        return [] if self.matcher is None or self.check is not None else self.matcher.forced()

    def spelt(self, token: int) -> bytes:
        """Return the bytes in the text of a special token that the constraint names; else none."""
        return b"" if self.matcher is None else self.matcher.spelt.get(token, b"")

    def prepare(self, draft: Sequence[int] = ()) -> None:
        """Have masks computed for the next token and those behind each of `draft`."""
        if self.matcher is not None:
            self.matcher.prepare(draft)

    def ready(self, wait_s: float) -> bool:
        """Return whether the prepared masks are there, after so many seconds at most."""
        return self.matcher is None or self.matcher.ready(wait_s)

    def possible(self, draft: list[int]) -> list[int]:
        """Return the beginning of `draft` that the constraint allows."""
        return draft if self.matcher is None else draft[: self.matcher.valid(draft)]

    def feed(self, tokens: Iterable[int]) -> None:
        """Record `tokens` as the answer's next ones, as if they had been drawn here."""
        for token in tokens:
            self._drawn += 1
            self._adjuster.record(token)
            if self.matcher is not None:
                self.matcher.take(token)
            if self.check is not None:
                self.check.take(token)
                self._agree(self.check)

    def sample(self, logits: Logits) -> SampledToken:
        """Draw and record the next token from `logits`, (vocab,) float32, which are only read.

        Raises EngineBroken when no distribution can be made of them (NaN, +inf or nothing but
        -inf) and RequestError when the logit bias names a token outside the vocabulary.
        """
        return self.take(logits, self.guess(logits))

    def guess(self, logits: Logits, after: Sequence[int] = ()) -> int:
        """Return what would be drawn from `logits` behind the tokens `after`; records nothing.

        Takes the random number of that position, so that another model's guess is often what is
        drawn there later; penalties are those of the answer as it is. Raises as `sample` does.
        """
        return self._pick(self._adjuster.apply(logits), after)

    def gap(self, logits: Logits, token: int) -> float:
        """Return how much less likely `token` is than the likeliest: log-probabilities apart.

        In nats, at least 0, after bias and penalties and before temperature. Raises as `sample`
        does.
        """
        adjusted = self._adjuster.apply(logits)
        if self.matcher is not None:
            adjusted = self.matcher.apply(adjusted)
        return _peak(adjusted)[1] - float(adjusted[token])

    def take(self, logits: Logits, token: int) -> SampledToken:
        """Record `token`, drawn elsewhere, as the next one; `logits` are what is reported of it."""
        logprob, top = self._report(logits, token)
        self.feed((token,))
        return SampledToken(token, logprob, top)

    def _pick(self, logits: Logits, after: Sequence[int]) -> int:
        if not after and (forced := self.forced()):
            return forced[0]
        if self.check is not None and not after:
            return self._checked(logits, self.check)
        best, peak = _peak(logits)
        greedy = self._sampling.temperature == 0.0
        if self.matcher is not None and not (greedy and self.matcher.allows(best, after)):
            logits = self.matcher.apply(logits, after)
            best, peak = _peak(logits)
        if greedy:
            return best
        return draw(logits, self._sampling, peak, uniform(self._seed, self._drawn + len(after)))

    def _checked(self, logits: Logits, check: TextCheck) -> int:
        """Return the token that `check` accepts first, of those that the constraint leaves."""
        if self.matcher is not None:
            logits = self.matcher.apply(logits)
        _, peak = _peak(logits)
        if self._sampling.temperature == 0.0:
            return check.find(by_rank(logits), greedy=True)
        drawn = by_draw(logits, self._sampling, peak, self._seed, self._drawn)
        return check.find(drawn, greedy=False)

    def _agree(self, check: TextCheck) -> None:
        """Raise RequestError where the constraint ends the text and the check does not."""
        if self.matcher is not None and self.matcher.over and not check.complete():
            raise RequestError(
                "`edge.check`: the constraint ends the answer where the check does not.",
                param="edge.check",
                code="constraint_failed",
            )

    def _report(self, logits: Logits, token: int) -> tuple[float | None, list[tuple[int, float]]]:
        count = self._sampling.top_logprobs
        if count is None:
            return None, []
        peak = float(logits.max())
        norm = peak + math.log(mass(logits, peak))
        best = ranked(logits, top_floor(logits, count))[:count] if count > 0 else ()
        return float(logits[token]) - norm, [(int(i), float(logits[i]) - norm) for i in best]


def _peak(logits: Logits) -> tuple[int, float]:
    """Return the token of the largest logit, and that logit.

    EngineBroken where there is none to have.
    """
    best = int(logits.argmax())  # the first of equal ones, or the first NaN
    peak = float(logits[best])
    if not math.isfinite(peak):
        what = "NaN logits" if math.isnan(peak) else f"the largest logit is {peak}"
        advice = "is its file damaged? edge-rt models verify"
        raise EngineBroken(f"{what}: its output is no distribution; {advice}")
    return best, peak
