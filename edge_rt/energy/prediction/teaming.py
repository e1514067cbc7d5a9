"""Predictions for models that answer together, on the present board."""

from __future__ import annotations

from edge_rt.core.routing import LoadConfig, Prediction, Served, Unpredicted
from edge_rt.decoding.params import EARLY, Made
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.energy.prediction.memory import PredictionStore
from edge_rt.energy.prediction.teams import Team, Teams
from edge_rt.energy.prediction.together import PredictAlone, Sizes, Teamwork
from edge_rt.models.pair import SINGLE
from edge_rt.models.record import ModelRecord
from edge_rt.routing.decoding_options import DecodingOption
from edge_rt.routing.load_request import resident_name


class TeamPredictor:
    """Predicts for models in any mode; learns from answers how they share the work."""

    def __init__(self, forecaster: Forecaster, memory: PredictionStore) -> None:
        self._forecaster, self._memory = forecaster, memory
        self._board, self._teams = "", Teams()

    def predict(
        self,
        entry: ModelRecord,
        threads: int,
        tokens: tuple[int, int, int],
        duty: float = 1.0,
        option: DecodingOption | None = None,
        its: tuple[int, int, int] | None = None,
        load: LoadConfig | None = None,
    ) -> Prediction | Unpredicted:
        """What an answer takes; `tokens` are those of the prompt, of these the cached ones, and
        those of the answer, and `its` the partner's; None: the same. `load` is that of `entry`,
        None: the usual one.
        """
        if option is None or option.mode.name == SINGLE:
            return self._forecaster.predict(entry, threads, *tokens, duty, load)
        large, small = self._alone(entry, option, threads, duty, load)
        team, sizes = _team(entry, option), Sizes(*tokens)
        return self._known().predict(team, sizes, large, small, its and Sizes(*its))

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
