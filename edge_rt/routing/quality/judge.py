"""Corrects predictions of candidates by past answers, and tries candidates that have few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.core.routing import SINGLE
from edge_rt.routing.choice.trace import Candidate
from edge_rt.routing.quality.finder import Assessment
from edge_rt.routing.quality.learner import Context, Key, Learner

REQUESTS = 0.05  # of all, which may be trials
JOULES = 0.02  # of all, which trials may take beyond what is best
ONE = 0.5  # times the joules of what is best, which a trial may take beyond them
ENOUGH = 8.0  # answers, and marks, after which an arm is known


class TrialArm(NamedTuple):
    """A candidate that keeps all limits and the floor of quality.

    `place` is its index, `arm` its variant and mode, `energy_j` its predicted joules, and `known`
    the number of answers and marks that its figures rest on.
    """

    place: int
    arm: tuple[str, str]
    energy_j: float
    known: float


class ArmTrials:
    """Allows trials within a share of the requests and of the joules, whatever comes of them.

    Ours: with n requests so far that take J joules in all by the best way known, at most REQUESTS·n
    of them were trials, whose predicted joules beyond that are at most JOULES·J.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.trials = 0
        self.best_j = 0.0
        self.extra_j = 0.0

    def choose(self, ways: Sequence[TrialArm], best: TrialArm) -> TrialArm:
        """The one to take: the best, or where a trial is due and can be had, the least known."""
        if self.trials + 1 > REQUESTS * (self.requests + 1):
            return best
        room_j = min(ONE * best.energy_j, JOULES * (self.best_j + best.energy_j) - self.extra_j)
        able = [
            way
            for way in ways
            if way.arm != best.arm
            and way.known < min(ENOUGH, best.known)
            and way.energy_j - best.energy_j <= room_j
        ]
        return min(able, key=lambda way: (way.known, way.energy_j), default=best)

    def took(self, best_j: float, extra_j: float | None) -> None:
        """Count a request; the best way was predicted to take `best_j`, a trial `extra_j` more."""
        self.requests += 1
        self.best_j += best_j
        if extra_j is not None:
            self.trials += 1
            self.extra_j += max(0.0, extra_j)


class Judge:
    """Corrects predictions of candidates by past answers, and chooses which one to try."""

    def __init__(self, learner: Learner, trials: ArmTrials) -> None:
        self._learner, self._trials = learner, trials

    def corrected(self, candidate: Candidate, context: Context | None) -> Candidate:
        """Return the candidate with figures corrected by marks and answers of such prompts."""
        if context is None:
            return candidate
        setting, seconds = candidate.setting, candidate.seconds
        prefill_s, decode_s = candidate.prefill_s, candidate.decode_s
        presumed, file = candidate.quality, candidate.file
        found = self._learner.learnt(setting.variant, setting.mode, context, presumed, file)
        if seconds is not None and prefill_s is not None and decode_s is not None:
            times = found.seconds_ratio
            seconds += (times - 1.0) * (prefill_s + decode_s)
            prefill_s, decode_s = times * prefill_s, times * decode_s
        return replace(
            candidate,
            quality=found.p,
            seconds=seconds,
            prefill_s=prefill_s,
            decode_s=decode_s,
            energy_j=candidate.energy_j and found.joules_ratio * candidate.energy_j,
            learnt=found,
        )

    def assessed(self, assessed: Assessment, files: Mapping[str, str]) -> Assessment:
        """Return the chances with the marks of such prompts, of each model by itself.

        `files` has the files of each model by its id, as in Key.
        """
        context, learner = assessed.features.context, self._learner
        chances = {
            id: replace(chance, p=learner.p(Key(id, SINGLE, *context, files[id]), chance.p))
            for id, chance in assessed.chances.items()
        }
        return replace(assessed, chances=chances)

    def trial(self, able: Sequence[Candidate], best: int) -> int:
        """Return the place of the one of `able` to choose, where that at `best` takes the fewest
        joules.

        All of `able` are good enough and keep all limits. What has to be loaded is not tried.
        """
        ways = {way.place: way for way in map(_way, range(len(able)), able) if way is not None}
        if best not in ways:
            return best
        return self._trials.choose(list(ways.values()), ways[best]).place

    def chosen(self, candidate: Candidate, extra_j: float | None) -> None:
        """A request is about to be served like that, None: as is best, else as a trial."""
        if candidate.learnt is not None and candidate.energy_j is not None:
            self._trials.took(candidate.energy_j - (extra_j or 0.0), extra_j)


def _way(place: int, candidate: Candidate) -> TrialArm | None:
    learnt, setting = candidate.learnt, candidate.setting
    if learnt is None or candidate.energy_j is None or not candidate.loaded:
        return None
    arm = setting.variant, setting.mode
    return TrialArm(place, arm, candidate.energy_j, learnt.answers + learnt.marks)
