"""What is learnt of the board's heat, and how it is told to clients."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.board.snapshot import BoardSnapshot, board_key
from edge_rt.core.limits import Observation
from edge_rt.core.reports.governor import HeatState
from edge_rt.governor.heat.board_priors import heat_prior, leakage_prior
from edge_rt.governor.heat.leakage_watch import LeakageWatch
from edge_rt.thermal.leakage.runaway import critical_c
from edge_rt.thermal.model import ThermalModel, ThermalState
from edge_rt.thermal.outlook import Forecast

HOTTEST_C = 300.0  # a chip ends long before


class Heat:
    """The thermal model of the present board, and its chip's leakage."""

    def __init__(
        self, leakage: LeakageWatch, felt: Callable[[], BoardSnapshot | None] | None = None
    ) -> None:
        """`felt` gives the last look at the board; None: the one that a model was made for."""
        self.leakage, self._felt = leakage, felt
        self._model: ThermalModel | None = None

    def model(self, felt: BoardSnapshot | None, cores: int) -> ThermalModel:
        """Make a model for a board, without its past; `cores` is the most threads to use.

        Its leakage is that of a chip at work, whose voltage is higher than at rest.
        """
        key = None if felt is None else board_key(felt)
        self.leakage.begin(key, leakage_prior(felt), self._felt or (lambda: felt))
        self._model = ThermalModel(heat_prior(felt, cores), self.leakage.power_w)
        return self._model

    def forecast(self, power_w: float, horizon_s: float) -> Forecast | None:
        """See ThermalModel; None as long as nothing is known, or forecasts do not come true."""
        model = self._model
        believed = model is not None and model.believed
        return model.forecast(power_w, horizon_s) if model is not None and believed else None

    def state(self, seen: Observation | None) -> HeatState:
        """All of it, for clients; `seen` is the governor's last look."""
        state = None if self._model is None else self._model.state
        watch, fit = self.leakage, self.leakage.fit
        temp_c = None if seen is None else seen.temp_c
        return HeatState(
            ambient_c=state and state.ambient_c,
            resistance_c_per_w=state and state.resistance_c_per_w,
            time_constants_s=list(state.time_constants_s) if state else [],
            band_k=state and state.band_k,
            trusted=state is not None and state.believed,
            why="nothing is known of the board's heat yet" if state is None else state.why,
            leakage_w=None if temp_c is None else fit.leakage.power_w(temp_c),
            doubling_k=fit.leakage.doubling_c,
            phi=watch.phi(None if seen is None else seen.power_w, temp_c),
            runaway_c=None if state is None else _runaway_c(state, watch),
            leakage_note=watch.note,
            leakage_source=fit.source,
        )


def _runaway_c(state: ThermalState, leakage: LeakageWatch) -> float | None:
    """The runaway temperature of a chip at work; None: above all that a chip can have."""
    critical = critical_c(leakage.fit.leakage, state.resistance_c_per_w, leakage.voltage)
    return critical if critical <= HOTTEST_C else None
