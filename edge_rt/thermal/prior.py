"""What is believed of a board's heat path before anything was seen."""

from __future__ import annotations

from dataclasses import dataclass

# Of a board under full load, outwards from the chip: a choice of ours that comes out near the
# temperatures that owners of boards of 5 to 60 W report.
_RISES_C = (9.0, 55.0)  # over each node's resistance, in still air
_CAPACITIES_J_PER_C_W = (0.4, 8.0)
_FAN_GAIN = 2.0
_OUTER = 0.5  # of what an idle board draws


@dataclass(frozen=True)
class Prior:
    """A ladder of one to three nodes from the chip outwards, and how far it may be off.

    The last resistance leads to still air; a fan at full drive divides it by 1 + `fan_gain`.
    `outer_w` of the power never passes through the chip: memory, storage, regulators. What is
    wrong about it shifts the estimate of the air's temperature.
    """

    resistances_c_per_w: tuple[float, ...]
    capacities_j_per_c: tuple[float, ...]
    fan_gain: float = 0.0  # 0: there is no fan
    outer_w: float = 0.0
    ambient_c: float = 25.0
    ambient_spread_c: float = 8.0  # one standard deviation
    spread: float = 0.5  # of the logarithm of every other figure

    @classmethod
    def generic(
        cls,
        loaded_w: float,
        fan: bool,
        idle_w: float = 0.0,
        resistance_c_per_w: float | None = None,
        capacity_j_per_c: float | None = None,
    ) -> Prior:
        """Two nodes for a board that draws `loaded_w` under full load and `idle_w` at rest.

        What the profile knows of the whole way to still air, or of all that warms up, replaces
        the sums.
        """
        resistances = tuple(rise_c / loaded_w for rise_c in _RISES_C)
        capacities = tuple(share * loaded_w for share in _CAPACITIES_J_PER_C_W)
        return cls(
            _scaled(resistances, resistance_c_per_w),
            _scaled(capacities, capacity_j_per_c),
            _FAN_GAIN if fan else 0.0,
            _OUTER * idle_w,
        )


def _scaled(parts: tuple[float, ...], total: float | None) -> tuple[float, ...]:
    scale = 1.0 if total is None else total / sum(parts)
    return tuple(part * scale for part in parts)
