"""What an answer of a model would take on a board that has never run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import asdict

from edge_rt.board_model.calibration import ModelCalibration
from edge_rt.board_model.model_cost import BoardFigures, ModelCost
from edge_rt.board_model.roofline import ModelShape
from edge_rt.board_model.watts import Watts
from edge_rt.config.board import Board
from edge_rt.core.routing import RequestTokens
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
    `token_j` is all of it for a token of the answer. They are None where the board's power is not
    known. Half of all answers come within the errors: 0.1 is up to 1.1 times as much, or as little.
    """

    seconds: float
    tokens_per_s: float | None  # of the answer; None: a model that writes no text
    token_j: float | None
    energy_j: float | None
    total_j: float | None
    speed_error: float
    energy_error: float | None
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
        mode: str | None = None,
    ) -> None:
        """`cores` are those of the machine, for a profile that does not tell.

        Of the `calibrations` those of this board and its processor or GPU count. `mode` is the
        power mode; None: the profile's default one.
        """
        self._board = board
        self._calibrations = [
            c
            for c in calibrations
            if board is not None and c.board == board.id and (c.gpu_layers > 0) == gpu
        ]
        self._figures = BoardFigures.of(board, cores, self._calibrations, gpu=gpu, mode=mode)

    def cost(self, model: SuggestedModel) -> AnswerCost:
        """Return what an answer of `model` would take."""
        own, others = [c for c in self._calibrations if c.model == model.name], self._calibrations
        writes = "embedding" not in model.tasks
        tokens = RequestTokens(PROMPT_TOKENS, 0, ANSWER_TOKENS if writes else 1)
        cost = ModelCost(_shape(model), self._figures, own, others)
        found, watts = cost.predict(self._figures.cores, tokens), cost.watts(self._figures.cores)
        tokens_per_s = (ANSWER_TOKENS - 1) / found.decode_s if writes else None
        return AnswerCost(
            seconds=found.seconds,
            tokens_per_s=tokens_per_s,
            token_j=_token_j(watts, tokens_per_s),
            energy_j=found.energy_j,
            total_j=found.total_j,
            speed_error=found.error_ratio,
            energy_error=found.energy_error_ratio,
            basis=self._basis(),
        )

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


def _token_j(watts: Watts | None, tokens_per_s: float | None) -> float | None:
    if watts is None or watts.idle_w is None or tokens_per_s is None:
        return None
    return (watts.idle_w + watts.decode_w) / tokens_per_s


def _tokens_per_s(suggestion: Suggestion) -> float:
    speed = suggestion.cost.tokens_per_s
    return 100.0 / suggestion.cost.seconds if speed is None else speed


def _kv_bytes(model: SuggestedModel) -> float:
    return 0.0 if "embedding" in model.tasks else _shape(model).kv_bytes(CONTEXT_TOKENS)


def _shape(model: SuggestedModel) -> ModelShape:
    sizes = asdict(model.shape)
    parameters, active = sizes["parameters"], sizes.pop("active") or sizes["parameters"]
    read = round(model.bytes * active / parameters)
    return ModelShape(**(sizes | {"parameters": active}), file_bytes=read)
