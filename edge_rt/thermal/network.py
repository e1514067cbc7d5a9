"""The heat path of a board from the chip to the air, and its prior."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[float, float]
"""A figure of the chip, and that of the node behind it: its heat sink and the board."""


# Of a board under full load: a choice of ours that comes out near the temperatures that owners of
# boards of 5 to 60 W report.
_RISE_C, _CHIP_RISE = 64.0, 9.0 / 64.0  # above still air, and the share over the first resistance
_CAPACITY_J_PER_C_W, _CHIP_CAPACITY = 8.4, 0.4 / 8.4
_FAN_GAIN = 2.0
_OUTER = 0.5  # of what an idle board draws


@dataclass(frozen=True)
class ThermalPrior:
    """The chip and the node behind it, and how far their figures may be off.

    The second resistance leads to still air; a fan at full drive divides it by 1 + `fan_gain`.
    `outer_w` of the power never passes through the chip: memory, storage, regulators. What is
    wrong about it shifts the estimate of the air's temperature.
    """

    resistances_c_per_w: Pair
    capacities_j_per_c: Pair
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
    ) -> ThermalPrior:
        """Two nodes for a board that draws `loaded_w` under full load and `idle_w` at rest.

        What the profile knows of the whole way to still air, or of all that warms up, replaces
        what is usual.
        """
        resistance = resistance_c_per_w or _RISE_C / loaded_w
        capacity = capacity_j_per_c or _CAPACITY_J_PER_C_W * loaded_w
        return cls(
            (_CHIP_RISE * resistance, (1.0 - _CHIP_RISE) * resistance),
            (_CHIP_CAPACITY * capacity, (1.0 - _CHIP_CAPACITY) * capacity),
            _FAN_GAIN if fan else 0.0,
            _OUTER * idle_w,
        )


@dataclass(frozen=True)
class EulerStep:
    """One step of backward Euler, stable at any length: S·x = b for both nodes.

    S = [[r1 + g, -g], [-g, r2 + g + a]] with the rates r = C/dt, the conductance g between the
    nodes and a to the air, in W/K. Its inverse has no negative entry: more heat is never less
    temperature.
    """

    rates: Pair
    link: float
    to_air: float

    def solve(self, chip: float, outer: float) -> Pair:
        """Return x for the right side b."""
        link, first = self.link, self.rates[0] + self.link
        last = self.rates[1] + link + self.to_air
        scale = 1.0 / (first * last - link * link)
        return scale * (last * chip + link * outer), scale * (link * chip + first * outer)


@dataclass(frozen=True)
class Network:
    """Known figures of the heat path; SI units, the chip first.

    C1·dT1/dt = P - P0 - (T1 - T2)/R1
    C2·dT2/dt = P0 + (T1 - T2)/R1 - (T2 - Tair)·(1 + fan_gain·fan)/R2

    All power P but P0 = `outer_w` heats the chip.
    """

    resistances_c_per_w: Pair
    capacities_j_per_c: Pair
    fan_gain: float
    ambient_c: float
    outer_w: float = 0.0

    def to_air_w_per_c(self, fan: float) -> float:
        """Return the conductance of the second resistance; `fan` is its drive, 0 to 1."""
        return (1.0 + self.fan_gain * fan) / self.resistances_c_per_w[1]

    def resistance_c_per_w(self, fan: float) -> float:
        """Return the thermal resistance from the chip to the air."""
        return self.resistances_c_per_w[0] + 1.0 / self.to_air_w_per_c(fan)

    def time_constants_s(self, fan: float) -> Pair:
        """Return R·C of each node."""
        chip, outer = self.capacities_j_per_c
        return self.resistances_c_per_w[0] * chip, outer / self.to_air_w_per_c(fan)

    def step(self, dt_s: float, fan: float) -> EulerStep:
        """Return the equations of a step of `dt_s`."""
        chip, outer = self.capacities_j_per_c
        link = 1.0 / self.resistances_c_per_w[0]
        return EulerStep((chip / dt_s, outer / dt_s), link, self.to_air_w_per_c(fan))

    def advance(self, step: EulerStep, temps_c: Pair, power_w: float) -> Pair:
        """Return the temperatures one `step` later, `power_w` all the while."""
        outer_w = self.outer_w if self.outer_w < power_w else power_w
        chip = step.rates[0] * temps_c[0] + power_w - outer_w
        outer = step.rates[1] * temps_c[1] + outer_w + step.to_air * self.ambient_c
        return step.solve(chip, outer)
