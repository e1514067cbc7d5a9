"""What the board draws at rest and at work, and the joules of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.board_model.roofline import gpu_cores_hz, power_mode
from edge_rt.config.board import Board

GPU_J = 16e-12
"""Joules of a cycle of a CUDA core, with its share of memory and CPU, while a model writes; fitted
to published measurements by `tools/eval suggest`."""


@dataclass(frozen=True)
class Watts:
    """What the board draws at rest, and what reading a prompt and decoding add to that."""

    idle_w: float | None  # None: not known, so neither is the board's whole
    prefill_w: float
    decode_w: float

    @classmethod
    def of_totals(cls, idle_w: float, prefill_w: float, decode_w: float) -> Watts:
        """Make it from the whole board's power in each state; no phase adds less than 0."""
        return cls(idle_w, max(0.0, prefill_w - idle_w), max(0.0, decode_w - idle_w))

    def times(self, factor: float) -> Watts:
        """Return it with the additions scaled by `factor`, and rest unchanged."""
        return Watts(self.idle_w, factor * self.prefill_w, factor * self.decode_w)

    def added_j(self, prefill_s: float, decode_s: float) -> float:
        """Return the joules that the two phases' computing adds."""
        return self.prefill_w * prefill_s + self.decode_w * decode_s


def board_watts(board: Board | None, *, gpu: bool = False, mode: str | None = None) -> Watts | None:
    """Return what the profile tells of a board whose cores or GPU are busy; None: nothing.

    `mode` is a power mode; None: the profile's default one. Where nobody has measured what the GPU
    draws in it, that is GPU_J for each cycle of each CUDA core.
    """
    if board is None or board.draw.idle_w is None:
        return None
    idle_w = board.draw.idle_w.value
    loaded_w = board.draw.loaded_w and board.draw.loaded_w.value
    cores_hz = gpu_cores_hz(board, mode) if gpu else None
    if cores_hz is not None:
        limits = power_mode(board, mode)
        measured_w = None if limits is None else limits.decode_w or limits.drawn_w
        loaded_w = measured_w or idle_w + GPU_J * cores_hz
    return None if loaded_w is None else Watts.of_totals(idle_w, loaded_w, loaded_w)
