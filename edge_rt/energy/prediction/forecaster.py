"""What answers will take, by calibrations, by what came since, or by the board's profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_rt.board.snapshot import BoardSnapshot, board_key
from edge_rt.board_model.rates import Rates
from edge_rt.board_model.roofline import ModelShape
from edge_rt.config.schema import Engine
from edge_rt.core.limits import Observation
from edge_rt.core.routing import LoadConfig, Prediction, Served, Unpredicted
from edge_rt.energy.calibration.record import ModelCalibration, load_calibrations
from edge_rt.energy.prediction.predictor import BoardFigures, Predictor
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.models.loading import KV_NUMBER_BYTES, load_configs
from edge_rt.models.record import ModelRecord

log = logging.getLogger(__name__)


class LeakedPower:
    """What the chip leaks at work beyond what it leaks idle, now against another temperature.

    The leakage of an idle chip is in what the board draws idle. At work the voltage is higher.
    """

    def __init__(self, seen: Callable[[], Observation | None], leakage: LeakageWatch) -> None:
        """`seen` is the governor's last look."""
        self._seen, self._leakage = seen, leakage

    def __call__(self, at_c: float | None) -> float:
        """Return the watts now beyond those at `at_c`; 0 where a temperature is not known."""
        seen, leakage = self._seen(), self._leakage.fit.leakage
        if at_c is None or seen is None or seen.temp_c is None:
            return 0.0
        grown_w = leakage.power_w(seen.temp_c) - leakage.power_w(at_c)
        return (self._leakage.fit.work_ratio - 1.0) * grown_w


class Forecaster:
    """Predicts for the board that is there now and the models in the store; learns from answers."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        cores: int,
        snapshot: Callable[[], BoardSnapshot | None],
        idle_w: Callable[[], float | None],
        leaked_w: Callable[[float | None], float] = lambda _: 0.0,
    ) -> None:
        """Read the calibrations in `folder`. `cores` are those that the engine may use, `idle_w`
        what the board draws while the engine has nothing to do; `leaked_w` as in Predictor.
        """
        self._engine, self._cores = engine, cores
        self._snapshot, self._idle_w = snapshot, idle_w
        self._calibrations, unusable = load_calibrations(folder)
        for bad in unusable:
            log.warning("%s %s", bad.path, bad.reason)
        self.rates = Rates()
        self._predictor = Predictor(self.rates, leaked_w)
        self._board = ""
        self._known: dict[str, str] = {}  # the sha256 of the file, by key

    @property
    def board(self) -> str:
        """The id of the board's profile, by which calibrations know it."""
        return board_key(self._snapshot())

    def of_board(self) -> list[ModelCalibration]:
        """Return all calibrations of the board that is there now, of whatever models."""
        return [c for c in self._calibrations if c.board == self.board]

    def calibrations(
        self, entry: ModelRecord, load: LoadConfig | None = None
    ) -> list[ModelCalibration]:
        """Return the calibrations that hold for the present file, backend and board.

        With a `load` those made with as many layers on a GPU; how keys and values are kept makes
        little difference.
        """
        return [
            c
            for c in self.of_board()
            if (c.sha256, c.backend) == (entry.sha256, entry.backend)
            and (load is None or c.gpu_layers == load.gpu_layers)
        ]

    def take(self, calibrations: Sequence[ModelCalibration]) -> None:
        """Use these from now on in place of older ones of the same kind."""
        names = {c.file_name for c in calibrations}
        others = [c for c in self._calibrations if c.file_name not in names]
        self._calibrations = [*others, *calibrations]
        self._known.clear()

    def predict(
        self,
        entry: ModelRecord,
        threads: int,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        duty: float = 1.0,
        load: LoadConfig | None = None,
        *,
        constrained: bool = False,
    ) -> Prediction | Unpredicted:
        """Return what an answer takes; `load` None: the usual one, and of others only calibrated
        ones. A `constrained` one waits for what may come next.
        """
        usual = load_configs(entry, self._engine)[0]
        load = usual if load is None else load
        if load.gpu_layers != usual.gpu_layers and not self.calibrations(entry, load):
            return Unpredicted(
                f"it was never measured with {load.gpu_layers} layers on the GPU: edge-rt calibrate"
            )
        self._predictor.idle_w = self._idle_w()
        tokens = prompt_tokens, cached_tokens, completion_tokens
        key = self.key(entry, load)
        return self._predictor.predict(key, threads, *tokens, duty, constrained=constrained)

    def learn(
        self, entry: ModelRecord, threads: int, served: Served, load: LoadConfig | None = None
    ) -> None:
        """Take what an answer took that had the engine to itself."""
        load = load or load_configs(entry, self._engine)[0]
        self._predictor.learn(self.key(entry, load), threads, served)

    def key(self, entry: ModelRecord, load: LoadConfig) -> str:
        """Return the name by which the board model knows a model that is loaded in that way."""
        board = self.board
        if board != self._board:
            self._board = board
            self._known.clear()
        key = f"{entry.id} {load.gpu_layers}"
        if self._known.get(key) != entry.sha256:
            self._known[key] = entry.sha256
            gpu = load.gpu_layers > 0
            others = [c for c in self.of_board() if (c.gpu_layers > 0) == gpu]
            snapshot = self._snapshot()
            profile = None if snapshot is None else snapshot.chosen.board
            figures = BoardFigures.of(profile, self._cores, others, gpu=gpu)
            shape = shape_of(entry, self._engine, load)
            self._predictor.know(key, shape, figures, self.calibrations(entry, load), others)
        return key


def shape_of(entry: ModelRecord, engine: Engine, load: LoadConfig | None = None) -> ModelShape:
    """Return the sizes that the file's header states; `load` None: the usual one."""
    load = load or load_configs(entry, engine)[0]
    summary = entry.summary
    return ModelShape(
        layers=summary.layers,
        heads=summary.heads,
        kv_heads=summary.kv_heads,
        head_dim=(summary.head_dim_k + summary.head_dim_v) // 2,
        embedding=summary.embedding,
        parameters=summary.parameters,
        file_bytes=summary.file_bytes,
        vocab=summary.vocab,
        kv_bytes_per_number=KV_NUMBER_BYTES[load.kv_type],
    )
