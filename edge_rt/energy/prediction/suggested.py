"""What an answer of a model would take on a board that has never run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import asdict

from edge_rt.config.board import Board
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.basis import Bases, Hardware
from edge_rt.energy.prediction.equation import board_watts, spend
from edge_rt.energy.prediction.roofline import ModelShape, board_ceilings
from edge_rt.models.catalogue import SuggestedModel, Task
from edge_rt.models.record import fits

PROMPT_TOKENS, ANSWER_TOKENS = 100, 100
CONTEXT_TOKENS = 4096  # for which memory is counted
READING_TOKENS_PER_S = 5.0  # about as fast as people read

CostBasis = Literal["calibration", "profile", "guess"]
"""Measured on this board; its profile; or, where that tells no bandwidth, usual figures."""


@dataclass(frozen=True)
class AnswerCost:
    """Estimates for a prompt of 100 tokens and an answer of 100, or for the vector of 100 tokens.

    `energy_j` is what the answer adds to what the board draws idle, and `total_j` all of it;
    both are None where the board's power is not known.
    """

    seconds: float
    tokens_per_s: float | None  # of the answer; None: a model that writes no text
    energy_j: float | None
    total_j: float | None
    basis: CostBasis


@dataclass(frozen=True)
class Suggestion:
    """A model that fits a board, and what it would take there."""

    model: SuggestedModel
    memory_bytes: int  # its file, and keys and values of CONTEXT_TOKENS
    cost: AnswerCost


class SuggestionEstimator:
    """Estimates for one board."""

    def __init__(
        self,
        board: Board | None,
        cores: int,
        calibrations: Sequence[ModelCalibration] = (),
        *,
        gpu: bool = False,
    ) -> None:
        """`cores` are those of the machine, for a profile that does not tell.

        Of the `calibrations` those of this board and its processor or GPU count.
        """
        self._board = board
        there = sum(c.cores for c in board.clusters.values()) if board else 0
        cores = max(there, cores)
        hardware = Hardware(
            1 if gpu else cores, board_ceilings(board, cores, gpu=gpu), board_watts(board)
        )
        self._threads, self._bases = hardware.cores, Bases(hardware)
        self._calibrations = [
            c
            for c in calibrations
            if board is not None and c.board == board.id and (c.gpu_layers > 0) == gpu
        ]

    def cost(self, model: SuggestedModel) -> AnswerCost:
        """Return what an answer of `model` would take."""
        shape = _shape(model)
        for calibration in self._calibrations:  # for their sweeps; their own shapes do not matter
            self._bases.know(calibration.model, shape, self._of(calibration.model))
        self._bases.know(model.name, shape, self._of(model.name))
        base = self._bases.of(model.name, self._threads)
        assert base is not None
        writes = "embedding" not in model.tasks
        prefill_s, decode_s = base.phases_s(PROMPT_TOKENS, 0, ANSWER_TOKENS if writes else 1)
        energy = None if base.watts is None else spend(base.watts, prefill_s, decode_s)
        return AnswerCost(
            seconds=prefill_s + decode_s,
            tokens_per_s=(ANSWER_TOKENS - 1) / decode_s if writes else None,
            energy_j=energy and energy.energy_j,
            total_j=energy and energy.total_j,
            basis=self._basis(),
        )

    def _of(self, model: str) -> list[ModelCalibration]:
        return [c for c in self._calibrations if c.model == model]

    def _basis(self) -> CostBasis:
        if any(c.sweep is not None for c in self._calibrations):
            return "calibration"
        memory = self._board and self._board.memory
        known = memory and (memory.bandwidth_bytes_per_s or memory.reached_bandwidth_bytes_per_s)
        return "profile" if known else "guess"


def suggest(
    models: Sequence[SuggestedModel],
    memory_bytes: int,
    estimator: SuggestionEstimator,
    task: Task | None = None,
) -> list[Suggestion]:
    """Return the models for `task` that fit into a machine's memory, None: for any task."""
    return [
        Suggestion(model, round(model.bytes + _kv_bytes(model)), estimator.cost(model))
        for model in models
        if fits(model.bytes, memory_bytes) and (task is None or task in model.tasks)
    ]


def choose(suggestions: Sequence[Suggestion]) -> Suggestion | None:
    """Return the strongest that answers as fast as people read, else the fastest; None: no model.

    `suggestions` are for one task, from the weakest to the strongest.
    """
    swift = [one for one in suggestions if _tokens_per_s(one) >= READING_TOKENS_PER_S]
    return swift[-1] if swift else max(suggestions, key=_tokens_per_s, default=None)


def _tokens_per_s(suggestion: Suggestion) -> float:
    speed = suggestion.cost.tokens_per_s
    return 100.0 / suggestion.cost.seconds if speed is None else speed


def _kv_bytes(model: SuggestedModel) -> float:
    return 0.0 if "embedding" in model.tasks else _shape(model).kv_bytes(CONTEXT_TOKENS)


def _shape(model: SuggestedModel) -> ModelShape:
    return ModelShape(**asdict(model.shape), file_bytes=model.bytes)
