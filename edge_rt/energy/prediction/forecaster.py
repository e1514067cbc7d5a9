"""What answers will take, by calibrations, by what came since, or by the board's profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edge_rt.board.snapshot import BoardSnapshot, board_key
from edge_rt.config.schema import Engine
from edge_rt.core.limits import Observation
from edge_rt.core.routing import LoadConfig, Prediction, Served, Unpredicted
from edge_rt.energy.calibration.record import ModelCalibration, load_calibrations
from edge_rt.energy.prediction.basis import Hardware
from edge_rt.energy.prediction.equation import Warmth, board_watts
from edge_rt.energy.prediction.predictor import Predictor
from edge_rt.energy.prediction.roofline import ModelShape, board_ceilings
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.models.record import ModelRecord
from edge_rt.routing.loading import KV_NUMBER_BYTES, load_configs


class WarmthNow:
    """The present temperature, and what the chip leaks at work."""

    def __init__(self, seen: Callable[[], Observation | None], leakage: LeakageWatch) -> None:
        """`seen` is the governor's last look."""
        self._seen, self._leakage = seen, leakage

    def __call__(self) -> Warmth | None:
        """Return the present temperature and leakage; None while the former is not known."""
        seen = self._seen()
        if seen is None or seen.temp_c is None:
            return None
        leakage, rise = self._leakage.fit.leakage, self._leakage.fit.work_ratio - 1.0
        return Warmth(seen.temp_c, lambda at_c: rise * leakage.power_w(at_c))


log = logging.getLogger(__name__)


class Forecaster:
    """Predicts for the board that is there now and the models in the store; learns from answers."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        cores: int,
        snapshot: Callable[[], BoardSnapshot | None],
        idle_w: Callable[[], float | None],
        warmth: Callable[[], Warmth | None] = lambda: None,
    ) -> None:
        """Reads the calibrations in `folder`. `cores` are those that the engine may use, `idle_w`
        what the board draws while the engine has nothing to do, and `warmth` that of the chip.
        """
        self._warmth = warmth
        self._engine, self._cores = engine, cores
        self._snapshot, self._idle_w = snapshot, idle_w
        self._calibrations, unusable = load_calibrations(folder)
        for bad in unusable:
            log.warning("%s %s", bad.path, bad.reason)
        self.edition = 0  # of the calibrations: another one where there are others
        self._board = ""
        self._predictors: dict[int, Predictor] = {}  # by layers on the GPU: not to be compared
        self._known: dict[str, tuple[ModelRecord, LoadConfig]] = {}

    @property
    def board(self) -> str:
        """The id of the board's profile, by which calibrations know it."""
        return board_key(self._snapshot())

    def of_board(self) -> list[ModelCalibration]:
        """All calibrations of the board that is there now, of whatever models."""
        return [c for c in self._calibrations if c.board == self.board]

    def calibrations(
        self, entry: ModelRecord, load: LoadConfig | None = None
    ) -> list[ModelCalibration]:
        """Return the calibrations that hold for the present file, backend and board.

        With a `load` those made with as many layers on a GPU, and of these, where there are any,
        those with its KV type.
        """
        board = self.board
        found = [
            c for c in self._calibrations if c.unfit_for(board, entry.sha256, entry.backend) is None
        ]
        if load is None:
            return found
        alike = [c for c in found if c.gpu_layers == load.gpu_layers]
        return [c for c in alike if c.kv_type == load.kv_type] or alike

    def figures(self, entry: ModelRecord, load: LoadConfig) -> LoadConfig:
        """The form by whose figures that one goes: its own where it was calibrated, else those of
        the first with as many layers on a GPU.
        """
        known = {(c.gpu_layers, c.kv_type) for c in self.calibrations(entry)}
        alike = (f for f in load_configs(entry, self._engine) if f.gpu_layers == load.gpu_layers)
        return load if load in known else next(alike, load)

    def take(self, calibrations: Sequence[ModelCalibration]) -> None:
        """Use these from now on in place of older ones of the same kind."""
        names = {c.file_name for c in calibrations}
        others = [c for c in self._calibrations if c.file_name not in names]
        self._calibrations = [*others, *calibrations]
        self.edition += 1
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
    ) -> Prediction | Unpredicted:
        """Return what an answer takes; `load` None: the usual one, and of others only calibrated
        ones.
        """
        usual = load_configs(entry, self._engine)[0]
        load = usual if load is None else load
        if load.gpu_layers != usual.gpu_layers and not self.calibrations(entry, load):
            return Unpredicted(
                f"it was never measured with {load.gpu_layers} layers on the GPU: edge-rt calibrate"
            )
        known = self._named(entry, load)
        return self._knowing(known, load).predict(
            known.id, threads, prompt_tokens, cached_tokens, completion_tokens, duty
        )

    def learn(
        self, entry: ModelRecord, threads: int, served: Served, load: LoadConfig | None = None
    ) -> None:
        """Take what an answer took that had the engine to itself."""
        load = load or load_configs(entry, self._engine)[0]
        known = self._named(entry, load)
        self._knowing(known, load).learn(known.id, threads, served)

    def _named(self, entry: ModelRecord, load: LoadConfig) -> ModelRecord:
        """`entry` under the name by which the figures of that form are known."""
        usual, load = load_configs(entry, self._engine)[0], self.figures(entry, load)
        return entry if load == usual else replace(entry, id=f"{entry.id} {load}")

    def _knowing(self, known: ModelRecord, load: LoadConfig) -> Predictor:
        board = self.board
        if board != self._board:
            self._board = board
            self._predictors.clear()
            self._known.clear()
        predictor, before = self._predictor(known, load), self._known.get(known.id)
        if before is None or before[0].sha256 != known.sha256:
            load = self.figures(known, load)
            self._known[known.id] = known, load
            shape = shape_of(known, self._engine, load)
            calibrations = self.calibrations(known, load)
            predictor.know(known.id, shape, calibrations)
        predictor.idle_w, predictor.warmth = self._idle_w(), self._warmth()
        return predictor

    def _predictor(self, entry: ModelRecord, load: LoadConfig) -> Predictor:
        """One for all that is loaded as usual, and one for each other offload."""
        usual = load_configs(entry, self._engine)[0].gpu_layers == load.gpu_layers
        layers = self._engine.offloads[0] if usual else load.gpu_layers
        if layers not in self._predictors:
            self._predictors[layers] = Predictor(self._hardware(layers))
        return self._predictors[layers]

    def _hardware(self, layers: int) -> Hardware:
        snapshot = self._snapshot()
        board = None if snapshot is None else snapshot.chosen.board
        there = 0 if board is None else sum(c.cores for c in board.clusters.values())
        cores, gpu = max(there, self._cores), layers > 0
        ceilings = board_ceilings(board, cores, gpu=gpu)
        return Hardware(1 if gpu else cores, ceilings, board_watts(board))


def shape_of(entry: ModelRecord, engine: Engine, load: LoadConfig | None = None) -> ModelShape:
    """The sizes that the file's header states; `load` None: the usual one."""
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
