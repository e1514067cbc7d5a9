"""What answers will take, by calibrations, by what came since, or by the board's profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_rt.config.schema import Engine
from edge_rt.daemon.board_report import Felt, board_key
from edge_rt.daemon.memory import Memory
from edge_rt.daemon.wanted import KV_NUMBER_BYTES, kv_type
from edge_rt.energy.basis import Hardware
from edge_rt.energy.calibration import Calibration, load_calibrations
from edge_rt.energy.phases import board_watts
from edge_rt.energy.prediction import Prediction, Served, Unpredicted
from edge_rt.energy.predictor import Predictor
from edge_rt.energy.roofline import board_ceilings
from edge_rt.energy.warmth import Warmth
from edge_rt.energy.work import ModelShape
from edge_rt.models.entry import Entry

log = logging.getLogger(__name__)

FOLDER = "calibrations"


class Forecaster:
    """Predicts for the board that is there now and the models in the store; learns from answers."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        cores: int,
        felt: Callable[[], Felt | None],
        idle_w: Callable[[], float | None],
        memory: Memory,
        warmth: Callable[[], Warmth | None] = lambda: None,
    ) -> None:
        """Reads the calibrations in `folder`. `cores` are those that the engine may use, `idle_w`
        what the board draws while the engine has nothing to do, and `warmth` that of the chip.
        """
        self._memory, self._warmth = memory, warmth
        self._engine, self._cores = engine, cores
        self._felt, self._idle_w = felt, idle_w
        self._calibrations, unusable = load_calibrations(folder)
        for bad in unusable:
            log.warning("%s %s", bad.path, bad.reason)
        self.edition = 0  # of the calibrations: another one where there are others
        self._board = ""
        self._predictor = Predictor(self._hardware(None))
        self._known: dict[str, Entry] = {}

    @property
    def board(self) -> str:
        """The id of the board's profile, by which calibrations know it."""
        return board_key(self._felt())

    def calibrations(self, entry: Entry) -> list[Calibration]:
        """Those that hold for the file, the backend and the board that are there now."""
        board = self.board
        return [
            c for c in self._calibrations if c.unfit_for(board, entry.sha256, entry.backend) is None
        ]

    def take(self, calibrations: Sequence[Calibration]) -> None:
        """Use these from now on in place of older ones of the same kind."""
        self.remember()  # what does not rest on these is recalled
        names = {c.file_name for c in calibrations}
        others = [c for c in self._calibrations if c.file_name not in names]
        self._calibrations = [*others, *calibrations]
        self.edition += 1
        self._known.clear()

    def predict(
        self,
        entry: Entry,
        threads: int,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        duty: float = 1.0,
    ) -> Prediction | Unpredicted:
        """See Predictor."""
        return self._knowing(entry).predict(
            entry.id, threads, prompt_tokens, cached_tokens, completion_tokens, duty
        )

    def learn(self, entry: Entry, threads: int, served: Served) -> None:
        """Take what an answer took that had the engine to itself."""
        self._knowing(entry).learn(entry.id, threads, served)

    def remember(self) -> None:
        """Have the memory take all that was learnt on the present board."""
        if self._board != self.board:
            return
        for entry in self._known.values():
            learnt = self._predictor.learnt(entry.id)
            self._memory.take(entry, self._board, self.calibrations(entry), learnt)

    def _knowing(self, entry: Entry) -> Predictor:
        felt = self._felt()
        board = board_key(felt)
        if board != self._board:
            self._board, self._predictor = board, Predictor(self._hardware(felt))
            self._known.clear()
        before = self._known.get(entry.id)
        if before is None or before.sha256 != entry.sha256:
            self._known[entry.id] = entry
            shape, calibrations = shape_of(entry, self._engine), self.calibrations(entry)
            learnt = self._memory.recall(entry, board, calibrations)
            self._predictor.know(entry.id, shape, calibrations, learnt)
        self._predictor.idle_w, self._predictor.warmth = self._idle_w(), self._warmth()
        return self._predictor

    def _hardware(self, felt: Felt | None) -> Hardware:
        board = None if felt is None else felt.chosen.board
        there = 0 if board is None else sum(c.cores for c in board.clusters.values())
        cores, gpu = max(there, self._cores), self._engine.gpu_layers > 0
        ceilings = board_ceilings(board, cores, gpu=gpu)
        return Hardware(1 if gpu else cores, ceilings, board_watts(board))


def shape_of(entry: Entry, engine: Engine) -> ModelShape:
    """The sizes that the file's header states."""
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
        kv_bytes_per_number=KV_NUMBER_BYTES[kv_type(entry, engine)],
    )
