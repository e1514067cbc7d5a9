"""How much to draft: as long as another token gains more time than it costs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge_rt.decoding.experience import CLOSE, Bins, Experience, PassTimes

_STEPS = 32  # of the chance that a draft is accepted, 0 to 1
_SPENT = 0.02  # of the time of tokens written without a draft: for trials whether drafts pay again
_TRIAL = 4  # rounds of a trial
_TRIED = 3  # tokens drafted in each
_AHEAD = 128.0  # tokens for which an answer is thought to go on
_WORTH = 0.05  # of a token's time that a draft model has to save, as passes cost something besides
_ALONE = 64  # rounds after which one token is written alone, to know what that takes
_REGRET = 0.02  # of the seconds of an answer without drafts: the most that drafts may cost it


class DraftCosts(NamedTuple):
    """Seconds: for which a token is had otherwise, of a guess, and of each row that is verified.

    `rows[k]` is what the (k+1)-th drafted token adds to the verification; as many as a draft may
    have tokens.
    """

    token: float
    guess: float
    rows: Sequence[float]


class Prospects:
    """The seconds that going on with a draft is expected to gain, at best. Ours.

    Guesses are taken to be independent: a share `shares[b]` of them is accepted with the
    probability `acceptances[b]`, and b is known once the guess is made. A draft of k tokens that
    is accepted as a whole with the probability q may stop, or pay for a guess and see it; that may
    be dropped, or join the draft: with the acceptance a it gains q a tokens, and q a is the next q.
    """

    def __init__(self, costs: DraftCosts, shares: Bins, acceptances: Bins) -> None:
        most = len(costs.rows)
        self._values: Bins = np.zeros((most + 1, _STEPS + 1))
        joined: Bins = np.linspace(0.0, 1.0, _STEPS + 1)[:, None] * acceptances
        for drafted in range(most - 1, -1, -1):
            later = _between(self._values[drafted + 1], joined)
            gains = np.maximum(joined * costs.token - costs.rows[drafted] + later, 0.0)
            self._values[drafted] = np.maximum(gains @ shares - costs.guess, 0.0)

    def value(self, drafted: int, chance: float) -> float:
        """Return the value of going on after `drafted` tokens, accepted with `chance`; 0: stop."""
        return float(_between(self._values[drafted], np.array([chance]))[0])


def _between(values: Bins, chances: Bins) -> Bins:
    """Interpolate `values`, at equal steps from chance 0 to 1, at `chances` of any shape."""
    below = np.minimum((chances * _STEPS).astype(np.int64), _STEPS - 1)
    return values[below] + (values[below + 1] - values[below]) * (chances * _STEPS - below)


class DraftAccount:
    """Seconds of an answer: without drafts up to here, and less than that with them."""

    def __init__(self) -> None:
        self.plain_s = self.saved_s = 0.0


class DraftLength:
    """Optimal stopping of an answer's drafts by expected time, for one source and target. Ours.

    A round is a draft and the pass that verifies it; it brings the accepted tokens and one more.
    A drafted token is accepted with the product of the acceptances up to it, which are calibrated
    from confidences; that times the seconds for which tokens are had at present is what it gains.
    It costs a pass of the draft model and a row more in the verification. Where no draft is
    expected to gain anything none is made, but for trials that take about 2 % of the time since
    the last one. Nothing is random and no clock is read.
    """

    def __init__(
        self, most: int, times: PassTimes, known: Experience, account: DraftAccount | None = None
    ) -> None:
        """Allow drafts of at most `most` tokens.

        `times` are fed by the caller, who runs the passes. Sources of which one is asked in a round
        have one `account`.

        Answers that draft from the same source for the same target share `times` and `known`.
        """
        self._most = most
        self._times = times
        self._known = known
        # Of this round:
        self._prospects: Prospects | None = None
        self._trying = False
        self._guesses = 0
        self._drafts = False
        self._account = account or DraftAccount()

    def read(self, seconds: float) -> None:
        """Note that the target read the prompt in `seconds`."""
        self._account.plain_s += seconds

    def begins(self, behind: int = 0, left: float = math.inf) -> bool:
        """Return whether the draft model should guess at the next token. Asked once for each round.

        `behind`: tokens of text that it has not read, its prompt among them. `left`: most tokens
        that are still to come.
        """
        self._guesses, self._trying = 0, False
        begins = self._times.alone.value is not None and self._known.streak < _ALONE
        if begins and not self._pays(behind, left):
            self._trying = begins = self._may_try(self._trial_s(behind))
        if begins:
            self._prospects = self._foresee(self._token_s)
        else:
            self._idled()
        self._known.streak = self._known.streak + 1 if begins else 0
        self._drafts = begins
        return begins

    def adds(self, confidences: Sequence[float], guess: float) -> bool:
        """Return whether a guess of confidence `guess` after those drafted is worth verifying.

        Asked once for each guess. Where it is not, the draft ends before it.
        """
        self._guesses += 1
        self._known.calibration.guessed(guess)
        if self._trying:
            return True
        drafted = len(confidences)
        chance = self._chance((*confidences, guess))
        gain = chance * self._token_s + self._later(drafted + 1, chance)
        return gain > self._rows()[drafted]

    def goes_on(self, confidences: Sequence[float]) -> bool:
        """Return whether the draft model should make another guess after those drafted."""
        if len(confidences) >= self._most:
            return False
        if self._trying:
            return len(confidences) < _TRIED
        return self._later(len(confidences), self._chance(confidences)) > 0.0

    def cut(self, confidences: Sequence[float]) -> int:
        """Return how many tokens are worth verifying of a draft that cost nothing.

        Asked once for each round, in place of the other questions, be there a draft or not.
        """
        self._guesses, self._trying = 0, False
        most = self._affordable(min(len(confidences), self._most))
        best = self._best(confidences[:most])
        if best == 0 and most and self._may_try(_TRIAL * sum(self._rows()[:_TRIED])):
            self._trying, best = True, min(most, _TRIED)
        if best == 0:
            self._idled()
        self._drafts = best > 0
        return best

    def verified(self, confidences: Sequence[float], accepted: int) -> None:
        """End a round: of what was drafted, the first `accepted` tokens were accepted.

        Told of each round that began, those too that came to no draft.
        """
        if not self._drafts:
            return
        self._drafts, known = False, self._known
        for confidence in confidences[:accepted]:
            known.calibration.verified(confidence, accepted=True)
        if accepted < len(confidences):
            known.calibration.verified(confidences[accepted], accepted=False)
        guessing = self._guesses * (self._times.draft.value or 0.0)
        took_s = guessing + self._times.verify(len(confidences))
        self._account.plain_s += (accepted + 1) * self._alone
        self._account.saved_s += (accepted + 1) * self._alone - took_s
        known.all.add(accepted + 1, took_s)
        known.drafted.add(accepted + 1, took_s)
        known.tried += self._trying
        if known.tried == _TRIAL:
            known.tried, known.idle = 0, 0.0
            known.drafted.clear()  # what follows is what counts

    @property
    def _alone(self) -> float:
        return self._times.alone.value or 0.0

    @property
    def _token_s(self) -> float:
        """Seconds for which a token is had at present."""
        return self._known.all.token_s(self._alone)

    def _idled(self) -> None:
        self._known.idle += 1
        self._account.plain_s += self._alone
        if self._times.alone.value is not None:
            self._known.all.add(1, self._times.alone.value)

    def _pays(self, behind: int, left: float) -> bool:
        """Return whether drafting is expected to beat the target alone, catching up included."""
        if self._times.draft.value is None or self._known.idle == math.inf:
            return False
        saving = (1.0 - _WORTH) * self._alone - self._known.drafted.token_s(0.0)
        if not self._known.drafted.known:
            saving = self._foresee(self._alone).value(0, 1.0) / _TRIED
        return saving * min(left, _AHEAD) > self._behind_s(behind)

    def _may_try(self, seconds: float) -> bool:
        return self._known.idle * self._alone * _SPENT >= seconds

    def _trial_s(self, behind: int) -> float:
        guessing = _TRIED * (self._times.draft.value or 0.0)
        return _TRIAL * (guessing + self._times.verify(_TRIED)) + self._behind_s(behind)

    def _behind_s(self, behind: int) -> float:
        return behind * (self._times.read.value or 0.0) if behind > CLOSE else 0.0

    def _affordable(self, most: int) -> int:
        """Return the longest draft that may be in vain: its rows are paid by what drafts saved.

        An answer takes at most 1 + _REGRET times as long as without drafts.
        """
        spare_s = self._account.saved_s + _REGRET * self._account.plain_s
        costs = (self._times.verify(drafted) - self._alone for drafted in range(1, most + 1))
        return sum(1 for _ in itertools.takewhile(lambda cost_s: cost_s <= spare_s, costs))

    def _best(self, confidences: Sequence[float]) -> int:
        best, value, gained, chance = 0, 0.0, 0.0, 1.0
        rows, token_s = self._rows(), self._token_s
        for drafted, confidence in enumerate(confidences, 1):
            chance *= self._known.calibration.acceptance(confidence)
            gained += chance * token_s - rows[drafted - 1]
            if gained > value:
                best, value = drafted, gained
        return best

    def _chance(self, confidences: Sequence[float]) -> float:
        return math.prod(map(self._known.calibration.acceptance, confidences))

    def _later(self, drafted: int, chance: float) -> float:
        return 0.0 if self._prospects is None else self._prospects.value(drafted, chance)

    def _foresee(self, token_s: float) -> Prospects:
        costs = DraftCosts(token_s, self._times.draft.value or 0.0, self._rows())
        calibration = self._known.calibration
        return Prospects(costs, calibration.shares, calibration.acceptances)

    def _rows(self) -> list[float]:
        """Return what each drafted token adds to the verification, in seconds."""
        verify = [self._times.verify(drafted) for drafted in range(self._most + 1)]
        return [more - less for less, more in itertools.pairwise(verify)]
