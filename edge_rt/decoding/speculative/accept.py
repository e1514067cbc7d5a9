"""How much of a draft is kept, seeing the target model's logits at each of its tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import NamedTuple, Protocol

from edge_rt.decoding.sampling.ranking import Logits
from edge_rt.decoding.sampling.sampler import Choice, Sampler
from edge_rt.decoding.switching.aim import Aim


class Kept(NamedTuple):
    """A token of the answer, whether it is the draft's, and what was judged by; None: nothing."""

    choice: Choice
    drafted: bool
    seen: float | None = None


class Acceptance(Protocol):
    """A rule of acceptance."""

    def follow(
        self, draft: Sequence[int], sampler: Sampler, rows: Iterable[Logits]
    ) -> Iterator[Kept]:
        """The answer's next tokens, the last of which is not the draft's.

        `rows` are the target's logits after the text so far and after each token of `draft`.
        `sampler`, the answer's own, records a token when it is asked for and none before: who
        stops asking where the answer ends has recorded nothing beyond.
        """
        ...


class Exact:
    """Sample and match: the target draws every token itself, and the draft is kept while equal.

    The answer is token for token what the target alone would have written, with the same random
    numbers, so its distribution is the target's at every temperature. Rejection sampling
    (Leviathan, Kalman and Matias, arXiv 2211.17192) accepts a little more often above temperature
    0, but gives other tokens than the target alone.
    """

    def follow(
        self, draft: Sequence[int], sampler: Sampler, rows: Iterable[Logits]
    ) -> Iterator[Kept]:
        """See Acceptance."""
        for guess, logits in zip([*draft, None], rows, strict=True):
            choice = sampler.sample(logits)
            yield Kept(choice, choice.token == guess)
            if choice.token != guess:
                return


class Relaxed:
    """A drafted token is kept while the target finds it likely enough; the answer may differ.

    After BiLD (arXiv 2302.07863), whose large model also reads several pending tokens in one pass
    and keeps them up to the first that it finds too unlikely; our formula: kept while
    ln p(likeliest) - ln p(token) <= threshold, in nats, so while p(token) is at least
    e^-threshold of the likeliest's, after bias and penalties and before temperature.
    """

    def __init__(self, threshold: float, share: float | None = None) -> None:
        """With `share` the threshold moves until the target draws that share of the tokens."""
        self._aim = Aim(threshold, share)

    def follow(
        self, draft: Sequence[int], sampler: Sampler, rows: Iterable[Logits]
    ) -> Iterator[Kept]:
        """See Acceptance."""
        for guess, logits in zip([*draft, None], rows, strict=True):
            gap = inf if guess is None else sampler.gap(logits, guess)
            if not self.keeps(gap) or guess is None:
                yield Kept(sampler.sample(logits), drafted=False, seen=gap)
                return
            yield Kept(sampler.take(logits, guess), drafted=True, seen=gap)

    def keeps(self, gap: float) -> bool:
        """Whether the answer goes on by a drafted token that is so much less likely than another.

        `gap` is in nats, see Sampler; infinite where there is no such token. Each token of an
        answer is asked about once.
        """
        there = gap < inf
        if there:
            self._aim.saw(gap)
        kept = there and gap <= self._aim.threshold
        self._aim.took(large=not kept)
        return kept
