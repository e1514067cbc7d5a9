"""Heat of the second plant: two dies, a spreader, a sink, memory, the circuit board, and the air.

Heat flows to still air with the temperature difference to the power of 1.25; a fan adds flow by
its drive. In a closed case the air has a temperature of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchlib.plant_kinds import Path

_LONGEST_S = 0.25  # longest step with which the fastest node is stable
_FREE = 0.25  # of natural convection: heat goes with the difference to the power of 1.25
_FORCED = 0.27  # of forced convection, with the fan's power
_SPIN_S = 1.5  # time constant of a fan's speed
_MEMORY_BOARD = 0.5  # conductances in W/K, J/K: alike on all boards
_AIR_J_PER_K = 25.0  # of the air in a case, and the walls' inner side
_OPEN = 12.0  # from the air in the case to the room, W/K; with a closed case:
_SHUT, _SHUT_PER_J = 0.1, 0.01  # the larger the sink, the larger the case


class HeatPath:
    """Temperatures of all nodes in °C; explicit steps of a quarter of a second at most."""

    def __init__(self, path: Path, air_c: float, two_dies: bool) -> None:
        """Start with all nodes at the temperature `air_c`."""
        self._path, self._two = path, two_dies
        names = ("die", "spreader", "sink", "memory", "board")
        self._capacities = tuple(path.capacities[name] for name in names)
        self._shut = _SHUT + _SHUT_PER_J * path.capacities["sink"]
        self.die_c = self.gpu_c = self.spreader_c = self.sink_c = air_c
        self.memory_c = self.board_c = self.case_c = air_c
        self.fan = 0.0  # its speed, 0 to 1
        self.lost_j = 0.0  # to the room since the start

    def step(
        self, dt_s: float, heats_w: Sequence[float], room_c: float, drive: float, shut: bool
    ) -> None:
        """`heats_w` flow into the die, the GPU's die, the memory and the board."""
        count = max(1, -int(-dt_s // _LONGEST_S))
        for _ in range(count):
            self._part(dt_s / count, heats_w, room_c, drive, shut)

    def _part(
        self, dt_s: float, heats_w: Sequence[float], room_c: float, drive: float, shut: bool
    ) -> None:
        path = self._path
        die, spreader, sink, memory, board = self._capacities
        self.fan += (drive - self.fan) * min(1.0, dt_s / _SPIN_S)
        die_w, gpu_w, memory_w, board_w = heats_w
        up = path.die_spreader * (self.die_c - self.spreader_c)
        down = path.die_board * (self.die_c - self.board_c)
        gpu_up = path.die_spreader * (self.gpu_c - self.spreader_c) if self._two else 0.0
        across = path.spreader_sink * (self.spreader_c - self.sink_c)
        aside = path.spreader_board * (self.spreader_c - self.board_c)
        traces = _MEMORY_BOARD * (self.memory_c - self.board_c)
        fins = _free(path.fins, self.sink_c - self.case_c)
        fins += path.blown * (self.fan**3) ** _FORCED * (self.sink_c - self.case_c)
        face = _free(path.face, self.board_c - self.case_c)
        out = (self._shut if shut else _OPEN) * (self.case_c - room_c)
        self.die_c += dt_s / die * (die_w - up - down)
        self.gpu_c += dt_s / die * (gpu_w - gpu_up) if self._two else 0.0
        self.spreader_c += dt_s / spreader * (up + gpu_up - across - aside)
        self.sink_c += dt_s / sink * (across - fins)
        self.memory_c += dt_s / memory * (memory_w - traces)
        self.board_c += dt_s / board * (board_w + down + aside + traces - face)
        self.case_c += dt_s / _AIR_J_PER_K * (fins + face - out)
        self.lost_j += dt_s * out

    @property
    def stored_j(self) -> float:
        """Heat that all nodes hold above 0 °C."""
        die, spreader, sink, memory, board = self._capacities
        dies_c = self.die_c + (self.gpu_c if self._two else 0.0)
        held = die * dies_c + spreader * self.spreader_c + sink * self.sink_c
        held += memory * self.memory_c + board * self.board_c
        return held + _AIR_J_PER_K * self.case_c


def _free(per_k: float, difference_k: float) -> float:
    """Watts from a face to still air; `per_k` at a difference of one kelvin."""
    return per_k * difference_k * abs(difference_k) ** _FREE
