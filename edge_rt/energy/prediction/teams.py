"""Predictions for models that answer together, by how they have shared the work so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from edge_rt.core.routing import Prediction, Served, Unpredicted
from edge_rt.energy.prediction.history import KEPT, Factors, Misses
from edge_rt.energy.prediction.together import (
    PredictAlone,
    Sizes,
    Teamwork,
    scaled,
    together,
    untried,
)

UNTRIED_RATIO = 0.5  # error to expect of a mode that was not tried yet
MOST = 64  # teams, those that learnt last: requests may set them in any number of ways


class Team(NamedTuple):
    """Models by their names, and how they answer.

    Turns are taken as is set: by the `share` asked of the large one or by a `threshold`, after the
    `first` tokens.
    """

    large: str
    small: str | None
    mode: str
    share: float | None = None
    threshold: float | None = None
    first: int = 0


class LearntTeam(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt of one team, as it is kept over a restart."""

    team: Team
    work: list[Teamwork] = []
    seconds: list[float] = []
    energy: list[float] = []
    missed_s: list[float] = []
    missed_j: list[float] = []


@dataclass
class _History:
    work: deque[Teamwork] = field(default_factory=lambda: deque(maxlen=KEPT))
    seconds: Factors = field(default_factory=Factors)
    energy: Factors = field(default_factory=Factors)
    missed_s: Misses = field(default_factory=Misses)
    missed_j: Misses = field(default_factory=Misses)


class Teams:
    """Predicts what teams take, and learns from what their answers took.

    The formula is that of `together`, on the mean of the latest answers' teamwork; its seconds and
    joules are corrected by the middle of how it compared with what came.
    """

    def __init__(self, learnt: Iterable[LearntTeam] = ()) -> None:
        """`learnt` is of an earlier life."""
        self._known = {one.team: _recalled(one) for one in learnt}

    def predict(
        self,
        team: Team,
        sizes: Sizes,
        large: PredictAlone,
        small: PredictAlone | None,
        its: Sizes | None = None,
    ) -> Prediction | Unpredicted:
        """What an answer will take, by what each of the two would take alone; see `together`."""
        history = self._known.get(team, _History())
        work = Teamwork.mean(history.work) if history.work else untried(team.mode, team.share)
        found = together(work, sizes, large, small, its)
        if isinstance(found, Unpredicted):
            return found
        right = scaled(found, history.seconds.factor() or 1.0, history.energy.factor() or 1.0)
        energy_ratio = max(found.energy_error_ratio or 0.0, UNTRIED_RATIO)
        return replace(
            right,
            error_ratio=history.missed_s.ratio(max(found.error_ratio, UNTRIED_RATIO)),
            energy_error_ratio=right.energy_j and history.missed_j.ratio(energy_ratio),
            basis="learnt" if history.work else found.basis,
        )

    def learn(
        self,
        team: Team,
        work: Teamwork,
        served: Served,
        large: PredictAlone,
        small: PredictAlone | None,
    ) -> None:
        """Learn from one answer and its cost; `large` and `small` predict without rests."""
        sizes = Sizes(served.prompt_tokens, served.cached_tokens, served.completion_tokens)
        predicted = self.predict(team, sizes, large, small)
        plain = together(work, sizes, large, small)
        if isinstance(predicted, Unpredicted) or isinstance(plain, Unpredicted):
            return
        history = self._known.pop(team, None) or _History()
        self._known[team] = history  # as the latest
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        took_s = served.prefill_s + served.decode_s
        history.work.append(work)
        history.missed_s.add(took_s, predicted.prefill_s + predicted.decode_s)
        history.seconds.add(took_s, plain.prefill_s + plain.decode_s)
        if served.energy_j is not None and plain.energy_j and predicted.energy_j:
            history.missed_j.add(served.energy_j, predicted.energy_j)
            history.energy.add(served.energy_j, plain.energy_j)

    def learnt(self) -> list[LearntTeam]:
        """Return the state to save for the next start, the latest last."""
        return [_kept(team, history) for team, history in self._known.items()]


def _recalled(one: LearntTeam) -> _History:
    return _History(
        deque(one.work, maxlen=KEPT),
        Factors(one.seconds),
        Factors(one.energy),
        Misses(one.missed_s),
        Misses(one.missed_j),
    )


def _kept(team: Team, history: _History) -> LearntTeam:
    return LearntTeam(
        team=team,
        work=list(history.work),
        seconds=history.seconds.logs,
        energy=history.energy.logs,
        missed_s=history.missed_s.ratios,
        missed_j=history.missed_j.ratios,
    )
