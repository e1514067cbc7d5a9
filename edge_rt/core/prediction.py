"""What is told of an answer before it is begun, and what it took in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Basis = Literal["calibrated", "learnt", "roofline"]


@dataclass(frozen=True)
class Prediction:
    """Seconds from the engine's start on the prompt to the last token, and what they cost.

    `energy_j` is what the answer adds, `total_j` the board's whole meanwhile and `power_w` its
    mean; None where not known. About half of all answers come within `error_ratio`: 0.1 is up to
    1.1 times as long, or as short. `energy_error_ratio` says the same of `energy_j`.
    """

    seconds: float
    prefill_s: float
    decode_s: float
    energy_j: float | None
    total_j: float | None
    power_w: float | None
    error_ratio: float
    energy_error_ratio: float | None
    basis: Basis


@dataclass(frozen=True)
class Unpredicted:
    """That there is no prediction, and why."""

    reason: str


@dataclass(frozen=True)
class Served:
    """One answer that had the engine to itself, in seconds of computing.

    `energy_j` is what it added to what the board draws anyway; None where that is not known.
    """

    prompt_tokens: int  # cached ones included
    cached_tokens: int
    completion_tokens: int
    prefill_s: float
    decode_s: float
    energy_j: float | None = None
