"""What is learnt of the board's heat, and how it is told to clients."""

from __future__ import annotations

from edge_rt.api.governing import HeatState
from edge_rt.daemon.board_report import Felt, board_key
from edge_rt.daemon.leakage import LeakageWatch
from edge_rt.daemon.priors import heat_prior
from edge_rt.governor.limits import Observation
from edge_rt.thermal.cooling import LeakageFit
from edge_rt.thermal.model import ThermalModel, ThermalState
from edge_rt.thermal.outlook import Forecast
from edge_rt.thermal.runaway import critical_c

HOTTEST_C = 300.0  # a chip ends long before


class Heat:
    """The thermal model of the present board, and its chip's leakage."""

    def __init__(self, leakage: LeakageWatch) -> None:
        self.leakage = leakage
        self._model: ThermalModel | None = None

    def model(self, felt: Felt | None, cores: int) -> ThermalModel:
        """A model for another board, or to begin anew; `cores` are those that may be used."""
        self.leakage.begin(None if felt is None else board_key(felt))
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
        fit = self.leakage.fit
        temp_c = None if seen is None else seen.temp_c
        return HeatState(
            ambient_c=state and state.ambient_c,
            resistance_c_per_w=state and state.resistance_c_per_w,
            time_constants_s=list(state.time_constants_s) if state else [],
            band_k=state and state.band_k,
            trusted=state is not None and state.believed,
            why="nothing is known of the board's heat yet" if state is None else state.why,
            leakage_w=None if fit is None or temp_c is None else fit.leakage.power_w(temp_c),
            doubling_k=fit and fit.leakage.doubling_c,
            phi=self.leakage.phi(None if seen is None else seen.power_w, temp_c),
            runaway_c=_runaway_c(state, fit),
            leakage_note=self.leakage.note,
        )


def _runaway_c(state: ThermalState | None, fit: LeakageFit | None) -> float | None:
    """None where it is not known, or at no temperature that a chip could have."""
    if state is None or fit is None:
        return None
    critical = critical_c(fit.leakage, state.resistance_c_per_w)
    return critical if critical <= HOTTEST_C else None
