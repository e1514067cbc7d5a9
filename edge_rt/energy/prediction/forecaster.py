"""What answers will take, by calibrations, by what came since, or by the board's profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_rt.board.snapshot import BoardSnapshot, board_key
from edge_rt.board_model.calibration import ModelCalibration, load_calibrations
from edge_rt.board_model.model_cost import BoardFigures, ModelCost
from edge_rt.board_model.roofline import ModelShape
from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig, Prediction, RequestTokens, Served, Unpredicted
from edge_rt.models.loading import KV_NUMBER_BYTES, load_configs
from edge_rt.models.record import ModelRecord

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
    ) -> None:
        """Read the calibrations in `folder`.

        `cores` are those that the engine may use, `idle_w` what the board draws while the engine
        has nothing to do.
        """
        self._engine, self.cores = engine, cores
        self._snapshot, self._idle_w = snapshot, idle_w
        self._calibrations, unusable = load_calibrations(folder)
        for bad in unusable:
            log.warning("%s %s", bad.path, bad.reason)
        self._board = ""
        self._costs: dict[tuple[str, str, int], ModelCost] = {}

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

    def shape(self, entry: ModelRecord, load: LoadConfig) -> ModelShape:
        """Return the sizes of a model that is loaded in that way."""
        return shape_of(entry, self._engine, load)

    def take(self, calibrations: Sequence[ModelCalibration]) -> None:
        """Use these from now on in place of older ones of the same kind."""
        names = {c.file_name for c in calibrations}
        others = [c for c in self._calibrations if c.file_name not in names]
        self._calibrations = [*others, *calibrations]
        self._costs.clear()

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
        """Return what an answer takes.

        `load` None: the usual one, and of others only calibrated ones. A `constrained` one waits
        for what may come next.
        """
        usual = load_configs(entry, self._engine)[0]
        load = usual if load is None else load
        if load.gpu_layers != usual.gpu_layers and not self.calibrations(entry, load):
            return Unpredicted(
                f"it was never measured with {load.gpu_layers} layers on the GPU: edge-rt calibrate"
            )
        tokens = RequestTokens(prompt_tokens, cached_tokens, completion_tokens)
        cost, idle_w = self._cost(entry, load), self._idle_w()
        return cost.predict(threads, tokens, duty, idle_w, constrained=constrained)

    def learn(
        self, entry: ModelRecord, threads: int, served: Served, load: LoadConfig | None = None
    ) -> None:
        """Take what an answer took that had the engine to itself."""
        self._cost(entry, load or load_configs(entry, self._engine)[0]).learn(threads, served)

    def _cost(self, entry: ModelRecord, load: LoadConfig) -> ModelCost:
        """Return the costs of a model file with a load configuration, on the present board."""
        board = self.board
        if board != self._board:
            self._board = board
            self._costs.clear()
        key = entry.id, entry.sha256, load.gpu_layers
        if key not in self._costs:
            gpu, snapshot = load.gpu_layers > 0, self._snapshot()
            others = [c for c in self.of_board() if (c.gpu_layers > 0) == gpu]
            profile = None if snapshot is None else snapshot.chosen.board
            figures = BoardFigures.of(profile, self.cores, others, gpu=gpu)
            shape, own = shape_of(entry, self._engine, load), self.calibrations(entry, load)
            self._costs[key] = ModelCost(shape, figures, own, others)
        return self._costs[key]


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
        parameters=summary.parameters - summary.idle_parameters,
        file_bytes=summary.file_bytes - summary.idle_bytes,
        vocab=summary.vocab,
        kv_bytes_per_number=KV_NUMBER_BYTES[load.kv_type],
    )
