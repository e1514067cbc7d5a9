"""The thermal model of the present board, its priors, and its state for clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import median

from edge_rt.board.readers.ina3221 import SHUNT_STEP_V
from edge_rt.board.snapshot import BoardSnapshot, board_key
from edge_rt.board_model.calibration import ModelCalibration
from edge_rt.board_model.watts import Watts
from edge_rt.config.board import Board
from edge_rt.core.limits import Observation
from edge_rt.core.reports.governor import HeatModelState
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.power.draws import Priors, priors_of
from edge_rt.thermal.course import Forecast
from edge_rt.thermal.leakage import LeakagePrior, critical_c
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior

HOTTEST_C = 300.0  # a chip ends long before


def power_prior(snapshot: BoardSnapshot | None, found: Iterable[ModelCalibration] = ()) -> Priors:
    """Return watts at rest and by threads; of no board in particular where none is recognised.

    `found` are the board's calibrations, of whatever models: what they measured goes first.
    """
    board = _board(snapshot)
    priors = Priors() if board is None else priors_of(board)
    known = [
        (c, c.draws)
        for c in found
        if c.draws is not None
        and c.draws.quality == "measured"
        and min(c.draws.watts.prefill_w, c.draws.watts.decode_w) > 0.0
    ]
    if not known:
        return priors
    cores = [(c, draws) for c, draws in known if not c.gpu_layers]
    gpu = [draws.watts for c, draws in known if c.gpu_layers]
    return replace(
        priors,
        idle_w=median(draws.idle_w for _, draws in known),
        draws_w={
            n: median(d.watts.decode_w for c, d in cores if c.threads == n)
            for n in sorted({c.threads for c, _ in cores})
        },
        prompts=_prompts([draws.watts for _, draws in cores]),
        gpu_w=median(watts.decode_w for watts in gpu) if gpu else priors.gpu_w,
        gpu_prompts=_prompts(gpu),
    )


def _prompts(watts: Sequence[Watts]) -> float | None:
    """Return the draw of reading prompts over that of decoding."""
    return median(w.prefill_w / w.decode_w for w in watts) if watts else None


def heat_prior(snapshot: BoardSnapshot | None, cores: int) -> ThermalPrior:
    """Return the prior of the heat path from the chip to the air, with so many usable cores."""
    power, board = power_prior(snapshot), _board(snapshot)
    full = None if board is None else board.draw.loaded_w
    fan = snapshot is not None and any(reader.name == "fan" for reader in snapshot.sampler.readers)
    constants = None if board is None else board.thermal.constants
    return ThermalPrior.generic(
        power.idle_w + cores * power.core_w if full is None else full.value,
        fan or (board is not None and board.thermal.fan is not None),
        power.idle_w,
        resistance_c_per_w=constants and constants.resistance_c_per_w,
        capacity_j_per_c=constants and constants.capacity_j_per_c,
    )


def leakage_prior(snapshot: BoardSnapshot | None) -> LeakagePrior:
    """Return what the board's profile says of its leakage."""
    board = _board(snapshot)
    known = None if board is None else board.thermal.leakage_w
    step_w = 0.0 if snapshot is None else power_step_w(snapshot)
    return LeakagePrior(power_prior(snapshot).idle_w, known and known.value, step_w)


def power_step_w(snapshot: BoardSnapshot) -> float:
    """Return the step of the coarsest INA3221 in the board's power; 0 where there is none.

    step = bus voltage · (step of the shunt's voltage) / shunt
    """
    rails = {} if snapshot.chosen.board is None else snapshot.chosen.board.rails
    steps_w = [0.0]
    for name in () if snapshot.supply is None else snapshot.supply.rails:
        volts, rail = snapshot.sampler.reading(name, "voltage_v"), rails.get(name)
        if volts and volts.value and rail and rail.chip == "ina3221" and rail.shunt_ohm:
            steps_w.append(volts.value * SHUNT_STEP_V / rail.shunt_ohm)
    return max(steps_w)


def _board(snapshot: BoardSnapshot | None) -> Board | None:
    return None if snapshot is None else snapshot.chosen.board


class Heat:
    """The thermal model of the present board, and its chip's leakage."""

    def __init__(
        self, leakage: LeakageWatch, snapshot: Callable[[], BoardSnapshot | None] | None = None
    ) -> None:
        """`snapshot` gives the last look at the board; None: the one that a model was made for."""
        self.leakage, self._snapshot = leakage, snapshot
        self._model: ThermalModel | None = None

    def model(self, snapshot: BoardSnapshot | None, cores: int) -> ThermalModel:
        """Make a model for a board, without its past; `cores` is the most threads to use.

        Its leakage is that of a chip at work, whose voltage is higher than at rest.
        """
        key = None if snapshot is None else board_key(snapshot)
        self.leakage.begin(key, leakage_prior(snapshot), self._snapshot or (lambda: snapshot))
        self._model = ThermalModel(heat_prior(snapshot, cores), self.leakage.power_w)
        return self._model

    def forecast(self, power_w: float, horizon_s: float) -> Forecast | None:
        """Return the forecast; None while nothing is known, or forecasts do not come true."""
        model = self._model
        if model is None or not model.believed:
            return None
        return model.forecast(power_w, horizon_s)

    def state(self, seen: Observation | None) -> HeatModelState:
        """Return the state for clients; `seen` is the governor's last look."""
        state = None if self._model is None else self._model.state
        watch, fit = self.leakage, self.leakage.fit
        temp_c = None if seen is None else seen.temp_c
        runaway_c = state and critical_c(fit.leakage, state.resistance_c_per_w, fit.work_ratio)
        return HeatModelState(
            ambient_c=state and state.ambient_c,
            resistance_c_per_w=state and state.resistance_c_per_w,
            time_constants_s=list(state.time_constants_s) if state else [],
            band_k=state and state.band_k,
            trusted=state is not None and state.believed,
            why="nothing is known of the board's heat yet" if state is None else state.why,
            leakage_w=None if temp_c is None else fit.leakage.power_w(temp_c),
            doubling_k=fit.leakage.doubling_c,
            phi=watch.phi(None if seen is None else seen.power_w, temp_c),
            runaway_c=runaway_c if runaway_c is not None and runaway_c <= HOTTEST_C else None,
            leakage_note=watch.note,
            leakage_source=fit.source,
        )
