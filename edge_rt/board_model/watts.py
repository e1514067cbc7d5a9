"""What the board draws at rest and at work, and the joules of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.config.board import Board


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


def board_watts(board: Board | None) -> Watts | None:
    """Return what the profile tells of a board whose cores are all busy; None: nothing."""
    if board is None or board.draw.idle_w is None or board.draw.loaded_w is None:
        return None
    loaded_w = board.draw.loaded_w.value
    return Watts.of_totals(board.draw.idle_w.value, loaded_w, loaded_w)
