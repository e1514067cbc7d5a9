"""Joules of one answer from the seconds of its phases."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.config.board import Board


@dataclass(frozen=True)
class Watts:
    """What the board draws idle, and what reading a prompt and decoding add to that."""

    idle_w: float | None  # None: not known, so neither is the board's whole
    prefill_w: float
    decode_w: float

    @classmethod
    def of_totals(cls, idle_w: float, prefill_w: float, decode_w: float) -> Watts:
        """From the whole board's power in each state; no phase adds less than 0."""
        return cls(idle_w, max(0.0, prefill_w - idle_w), max(0.0, decode_w - idle_w))

    def times(self, factor: float) -> Watts:
        """With the additions scaled, idle as it is."""
        return Watts(self.idle_w, factor * self.prefill_w, factor * self.decode_w)

    def plus(self, added_w: float) -> Watts:
        """With so much more, or less, while anything is computed; no phase adds less than 0."""
        prefill_w, decode_w = self.prefill_w + added_w, self.decode_w + added_w
        return Watts(self.idle_w, max(0.0, prefill_w), max(0.0, decode_w))


@dataclass(frozen=True)
class Spent:
    """What an answer adds, the board's whole over its time, and the mean of that."""

    energy_j: float
    total_j: float | None
    power_w: float | None


def spend(watts: Watts, prefill_s: float, decode_s: float, rest_s: float = 0.0) -> Spent:
    """The joules of the two phases' computing, and of `rest_s` more in which nothing is computed.

    Our formula, after idealized runtime: E(p, o) = P_prefill·F(p) + P_decode·β·(o - 1) +
    P_idle·overhead, where the powers are the board's; rests of pacing count as overhead.
    """
    added_j = watts.prefill_w * prefill_s + watts.decode_w * decode_s
    if watts.idle_w is None:
        return Spent(added_j, None, None)
    seconds = prefill_s + decode_s + rest_s
    total_j = added_j + watts.idle_w * seconds
    return Spent(added_j, total_j, total_j / seconds if seconds > 0 else watts.idle_w)


def board_watts(board: Board | None) -> Watts | None:
    """What the profile tells of a board whose cores are all busy; None where it does not."""
    if board is None or board.draw.idle_w is None or board.draw.loaded_w is None:
        return None
    loaded_w = board.draw.loaded_w.value
    return Watts.of_totals(board.draw.idle_w.value, loaded_w, loaded_w)
