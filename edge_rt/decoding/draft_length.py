"""How much to draft: as long as another token gains more time than it costs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from edge_rt.decoding.calibration import Calibration
from edge_rt.decoding.pass_times import PassTimes
from edge_rt.decoding.stopping import Costs, Prospects

_SPENT = 0.02  # of the time of tokens written without a draft: for trials whether drafts pay again
_TRIAL = 4  # rounds of a trial
_TRIED = 3  # tokens drafted in each
_AHEAD = 128.0  # tokens for which an answer is thought to go on
_CLOSE = 8  # tokens to catch up on that a pass of the draft model takes along
_EVIDENCE = 8.0  # rounds after which what they brought counts for more than what was expected
_ALONE = 64  # rounds after which one token is written alone, to know what that takes


class Rate:
    """Tokens and seconds of the last rounds, the later ones counting for more."""

    def __init__(self, memory: float) -> None:
        self._forget = 1.0 - 1.0 / memory
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.rounds = self._tokens = self._seconds = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """A round brought `tokens` and took `seconds`."""
        self.rounds = self.rounds * self._forget + 1.0
        self._tokens = self._tokens * self._forget + tokens
        self._seconds = self._seconds * self._forget + seconds

    def token_s(self, before: float) -> float:
        """Seconds a token; `before` there is evidence of it."""
        return before if self.rounds < _EVIDENCE else self._seconds / self._tokens


class DraftLength:
    """Optimal stopping of drafts by expected time, for one source of drafts and one target. Ours.

    A round is a draft and the pass that verifies it; it brings the accepted tokens and one more.
    A drafted token is accepted with the product of the acceptances up to it, which are calibrated
    from confidences; that times the seconds for which tokens are had at present is what it gains.
    It costs a pass of the draft model and a row more in the verification. Where no draft is
    expected to gain anything none is made, but for trials that take about 2 % of the time since
    the last one. Nothing is random and no clock is read.
    """

    def __init__(self, most: int, times: PassTimes) -> None:
        """A draft has at most `most` tokens; `times` are fed by who runs the passes."""
        self._most = most
        self._times = times
        self._calibration = Calibration()
        self._all, self._drafted = Rate(128.0), Rate(32.0)
        self._prospects: Prospects | None = None
        self._idle = math.inf  # tokens written without a draft since the last trial
        self._trying = False
        self._tried = 0
        self._guesses = 0
        self._drafts = False  # in this round
        self._streak = 0  # rounds since a token was written alone

    def begins(self, behind: int = 0, left: float = math.inf) -> bool:
        """Whether the draft model should guess at the next token. Asked once for each round.

        `behind`: tokens of text that it has not read, its prompt among them. `left`: most tokens
        that are still to come.
        """
        self._guesses, self._trying = 0, False
        begins = self._times.alone is not None and self._streak < _ALONE
        if begins and not self._pays(behind, left):
            self._trying = begins = self._may_try(self._trial_s(behind))
        if begins:
            self._prospects = self._foresee(self._all.token_s(self._alone))
        else:
            self._idled()
        self._streak = self._streak + 1 if begins else 0
        self._drafts = begins
        return begins

    def adds(self, confidences: Sequence[float], guess: float) -> bool:
        """Whether a guess of confidence `guess` after those drafted is worth verifying.

        Asked once for each guess. Where it is not, the draft ends before it.
        """
        self._guesses += 1
        self._calibration.guessed(guess)
        if self._trying:
            return True
        drafted = len(confidences)
        chance = self._chance(confidences) * self._calibration.acceptance(guess)
        gain = chance * self._all.token_s(self._alone) + self._later(drafted + 1, chance)
        return gain > self._rows()[drafted]

    def goes_on(self, confidences: Sequence[float]) -> bool:
        """Whether the draft model should make another guess after those drafted."""
        if len(confidences) >= self._most:
            return False
        if self._trying:
            return len(confidences) < _TRIED
        return self._later(len(confidences), self._chance(confidences)) > 0.0

    def cut(self, confidences: Sequence[float]) -> int:
        """How many tokens are worth verifying of a draft that cost nothing.

        Asked once for each round, in place of the other questions, be there a draft or not.
        """
        self._guesses, self._trying = 0, False
        best = self._best(confidences[: self._most])
        if best == 0 and confidences and self._may_try(_TRIAL * sum(self._rows()[:_TRIED])):
            self._trying, best = True, min(len(confidences), _TRIED, self._most)
        if best == 0:
            self._idled()
        self._drafts = best > 0
        return best

    def verified(self, confidences: Sequence[float], accepted: int) -> None:
        """A round has ended: of what was drafted, the first `accepted` tokens were accepted.

        Told of each round that began, those too that came to no draft.
        """
        if not self._drafts:
            return
        for confidence in confidences[:accepted]:
            self._calibration.verified(confidence, accepted=True)
        if accepted < len(confidences):
            self._calibration.verified(confidences[accepted], accepted=False)
        guessing = self._guesses * (self._times.draft or 0.0)
        self._all.add(accepted + 1, guessing + self._times.verify(len(confidences)))
        self._drafted.add(accepted + 1, guessing + self._times.verify(len(confidences)))
        self._tried += self._trying
        if self._tried == _TRIAL:
            self._tried, self._idle = 0, 0.0
            self._drafted.clear()  # what follows is what counts

    @property
    def _alone(self) -> float:
        return self._times.alone or 0.0

    def _idled(self) -> None:
        self._idle += 1
        if self._times.alone is not None:
            self._all.add(1, self._times.alone)

    def _pays(self, behind: int, left: float) -> bool:
        """Whether drafting is expected to beat the target alone, catching up included."""
        if self._times.draft is None or self._idle == math.inf:
            return False
        saving = self._alone - self._drafted.token_s(0.0)
        if self._drafted.rounds < _EVIDENCE:
            saving = self._foresee(self._alone).value(0, 1.0) / _TRIED
        return saving * min(left, _AHEAD) > self._behind_s(behind)

    def _may_try(self, seconds: float) -> bool:
        return self._idle * self._alone * _SPENT >= seconds

    def _trial_s(self, behind: int) -> float:
        guessing = _TRIED * (self._times.draft or 0.0)
        return _TRIAL * (guessing + self._times.verify(_TRIED)) + self._behind_s(behind)

    def _behind_s(self, behind: int) -> float:
        return behind * self._times.read if behind > _CLOSE else 0.0

    def _best(self, confidences: Sequence[float]) -> int:
        best, value, chance, token_s = 0, 0.0, 1.0, self._all.token_s(self._alone)
        gained = 0.0
        for drafted, confidence in enumerate(confidences, 1):
            chance *= self._calibration.acceptance(confidence)
            gained += chance * token_s - self._rows()[drafted - 1]
            if gained > value:
                best, value = drafted, gained
        return best

    def _chance(self, confidences: Sequence[float]) -> float:
        return math.prod(map(self._calibration.acceptance, confidences))

    def _later(self, drafted: int, chance: float) -> float:
        return 0.0 if self._prospects is None else self._prospects.value(drafted, chance)

    def _foresee(self, token_s: float) -> Prospects:
        costs = Costs(token_s, self._times.draft or 0.0, self._rows())
        return Prospects(costs, self._calibration.shares, self._calibration.acceptances)

    def _rows(self) -> list[float]:
        """What each drafted token adds to the verification, in seconds."""
        verify = [self._times.verify(drafted) for drafted in range(self._most + 1)]
        return [more - less for less, more in itertools.pairwise(verify)]
