"""Predictions for models that answer together, by how they have shared the work so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge_rt.core.routing import LoadConfig, Prediction, RequestTokens, Served, Unpredicted
from edge_rt.decoding.params import EARLY, Made
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.energy.prediction.history import KEPT, add_factor, add_miss, factor, miss
from edge_rt.energy.prediction.memory import LearntTeam, PredictionStore, Team
from edge_rt.energy.prediction.together import (
    PredictAlone,
    Teamwork,
    scaled,
    together,
    untried,
)
from edge_rt.models.pair import SINGLE
from edge_rt.models.record import ModelRecord
from edge_rt.routing.decoding_options import DecodingOption
from edge_rt.routing.loading import resident_name

UNTRIED_RATIO = 0.5  # error to expect of a mode that was not tried yet
MOST = 64  # teams, those that learnt last: requests may set them in any number of ways


class Teams:
    """Predicts what teams take, and learns from what their answers took.

    The formula is that of `together`, on the mean of the latest answers' teamwork; its seconds and
    joules are corrected by the middle of how it compared with what came.
    """

    def __init__(self, learnt: Iterable[LearntTeam] = ()) -> None:
        """`learnt` is of an earlier life."""
        self._known = {one.team: one for one in learnt}

    def predict(
        self,
        team: Team,
        sizes: RequestTokens,
        large: PredictAlone,
        small: PredictAlone | None,
        its: RequestTokens | None = None,
    ) -> Prediction | Unpredicted:
        """What an answer will take, by what each of the two would take alone; see `together`."""
        history = self._known.get(team) or LearntTeam(team=team)
        work = Teamwork.mean(history.work) if history.work else untried(team.mode, team.share)
        found = together(work, sizes, large, small, its)
        if isinstance(found, Unpredicted):
            return found
        right = scaled(found, factor(history.seconds) or 1.0, factor(history.energy) or 1.0)
        energy_ratio = max(found.energy_error_ratio or 0.0, UNTRIED_RATIO)
        return replace(
            right,
            error_ratio=miss(history.missed_s, max(found.error_ratio, UNTRIED_RATIO)),
            energy_error_ratio=right.energy_j and miss(history.missed_j, energy_ratio),
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
        sizes = RequestTokens(served.prompt_tokens, served.cached_tokens, served.completion_tokens)
        predicted = self.predict(team, sizes, large, small)
        plain = together(work, sizes, large, small)
        if isinstance(predicted, Unpredicted) or isinstance(plain, Unpredicted):
            return
        history = self._known.pop(team, None) or LearntTeam(team=team)
        self._known[team] = history  # as the latest
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        took_s = served.prefill_s + served.decode_s
        history.work = [*history.work, work][-KEPT:]
        add_miss(history.missed_s, took_s, predicted.prefill_s + predicted.decode_s)
        add_factor(history.seconds, took_s, plain.prefill_s + plain.decode_s)
        if served.energy_j is not None and plain.energy_j and predicted.energy_j:
            add_miss(history.missed_j, served.energy_j, predicted.energy_j)
            add_factor(history.energy, served.energy_j, plain.energy_j)

    def learnt(self) -> list[LearntTeam]:
        """Return the state to save for the next start, the latest last."""
        return list(self._known.values())


class TeamPredictor:
    """Predicts for models in any mode; learns from answers how they share the work."""

    def __init__(self, forecaster: Forecaster, memory: PredictionStore) -> None:
        self._forecaster, self._memory = forecaster, memory
        self._board, self._teams = "", Teams()

    def predict(
        self,
        entry: ModelRecord,
        threads: int,
        tokens: RequestTokens,
        duty: float = 1.0,
        option: DecodingOption | None = None,
        its: RequestTokens | None = None,
        load: LoadConfig | None = None,
    ) -> Prediction | Unpredicted:
        """What an answer takes; `its` are the partner's tokens, None: the same. `load` is that of
        `entry`, None: the usual one.
        """
        if option is None or option.mode.name == SINGLE:
            return self._forecaster.predict(entry, threads, *tokens, duty, load)
        large, small = self._alone(entry, option, threads, duty, load)
        team = _team(entry, option)
        return self._known().predict(team, tokens, large, small, its)

    def learn(
        self,
        entry: ModelRecord,
        threads: int,
        served: Served,
        option: DecodingOption,
        made: Made,
        load: LoadConfig | None = None,
    ) -> None:
        """Learn from one answer and its cost; `load` as in `predict`."""
        tokens = made.small + made.large
        if tokens < 1:
            return
        gating = option.mode.gating
        work = Teamwork(
            made.large / tokens,
            made.switches / tokens,
            made.catch_up / tokens,
            made.accepted / tokens,
            made.rejected / tokens,
            made.small / tokens if gating is not None and gating.name == EARLY else 0.0,
        )
        large, small = self._alone(entry, option, threads, 1.0, load)
        self._known().learn(_team(entry, option), work, served, large, small)

    def remember(self) -> None:
        """Have the memory take all that was learnt on the present board."""
        if self._board and self._board == self._forecaster.board:
            self._memory.take_teams(self._board, self._teams.learnt())

    def _alone(
        self,
        entry: ModelRecord,
        option: DecodingOption,
        threads: int,
        duty: float,
        load: LoadConfig | None = None,
    ) -> tuple[PredictAlone, PredictAlone | None]:
        partner = option.partner
        large = self._predicting(entry, threads, duty, load)
        return large, None if partner is None else self._predicting(partner, threads, duty)

    def _predicting(
        self, entry: ModelRecord, threads: int, duty: float, load: LoadConfig | None = None
    ) -> PredictAlone:
        def predict(prompt: int, cached: int, completion: int) -> Prediction | Unpredicted:
            tokens = prompt, cached, completion
            return self._forecaster.predict(entry, threads, *tokens, duty, load)

        return predict

    def _known(self) -> Teams:
        board = self._forecaster.board
        if board != self._board:
            self._board, self._teams = board, Teams(self._memory.recall_teams(board))
        return self._teams


def _team(entry: ModelRecord, option: DecodingOption) -> Team:
    """Return the team, by names that change with the models' files."""
    mode, partner, gating = option.mode, option.partner, option.mode.gating
    small = None if partner is None else resident_name(partner)
    team = Team(resident_name(entry), small, mode.label)
    if gating is None:
        return team
    return team._replace(share=gating.share, threshold=gating.threshold, first=gating.first)
