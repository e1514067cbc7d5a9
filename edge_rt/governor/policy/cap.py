"""The power cap: the setpoint below it, and what the present window leaves."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.governor.budget import Budget
from edge_rt.governor.policy.window import PowerWindow

# The margin and its parts; shares are of the cap.
_MOST = 0.15  # largest margin
_FLOOR = 0.014  # least margin
_DEVIATIONS = 0.7  # of the model's power that are kept free
_RIPPLE = 0.06  # most for passes and rests, before windows have shown what they come out like
_STEP, _STEPS = 0.8, 0.1  # share of another program's step that is kept free, and the most of it
_AGAIN_S = 60.0  # half-life of that part: a program that came may come again
_OVER_S = 0.5  # half-life of a window's excess over the cap, which is kept free
_NEXT_S = 0.2  # until the next look


class Cap:
    """Sets the aim below the cap by recent errors, and makes up for excess within a window.

    It learns without a cap too, so that the margin is right as soon as a cap is set.
    """

    def __init__(self) -> None:
        self._window = PowerWindow()
        self._cap_w: float | None = None
        self._steady_w = self._steps_w = self._ripple_w = self._over_w = 0.0
        self.extra_margin_w = 0.0  # part of the margin beyond its least: for model errors and steps
        self.margin_w: float | None = None  # None: there is no cap

    def look(
        self,
        dt_s: float,
        drawn: Sequence[float],
        planned_w: float,
        window_s: float,
        worked: bool = True,
        step_w: float = 0.0,
        whole: bool = False,
    ) -> None:
        """Take a look of `dt_s`, for which the limits had planned `planned_w`.

        `drawn` are the watts of the last looks, the newest last; see PowerWindow for `worked` and
        `whole`.
        `step_w` is the step by which other programs' power rose.
        """
        self._steps_w = max(self._steps_w * 0.5 ** (dt_s / _AGAIN_S), _STEP * step_w)
        self._window.add(dt_s, drawn[-1], planned_w, window_s, drawn[:-1], worked, whole)
        over_w = 0.0 if self._cap_w is None else self._window.mean_w - self._cap_w
        self._over_w = max(self._over_w * 0.5 ** (dt_s / _OVER_S), over_w)

    def aims_w(
        self, budget: Budget, deviation_w: float, ripple_w: float = 0.0
    ) -> tuple[float, float] | None:
        """Watts to aim at with rests, and without rests, when power is steadier.

        `deviation_w` is the standard deviation of the model's power, and `ripple_w` the excess of
        windows by passes and rests. None: there is no cap.
        """
        cap_w = budget.power_w
        if cap_w != self._cap_w:
            self._window.turn()  # excess over another cap is not made up for under this one
            self._cap_w, self._over_w = cap_w, 0.0
        if cap_w is None:
            self.margin_w, self.extra_margin_w = None, 0.0
            return None
        steps_w = min(_STEPS * cap_w, self._steps_w)
        floor_w = max(_FLOOR * cap_w, self._window.whole_excess_w)
        kept_w = floor_w + steps_w + self._over_w
        self._steady_w = min(_MOST * cap_w, _DEVIATIONS * deviation_w + kept_w)
        self.extra_margin_w = max(0.0, self._steady_w - _FLOOR * cap_w)
        self._ripple_w = self._window.new * min(_RIPPLE * cap_w, ripple_w)
        self.margin_w = self._margin_w(cap_w, self._steady_w)
        return cap_w - self.margin_w, cap_w - self._steady_w

    def likely_w(self, budget: Budget) -> float | None:
        """The aim if the model of the power were exact; None: there is no cap."""
        cap_w = budget.power_w
        return None if cap_w is None else cap_w - self._margin_w(cap_w, _FLOOR * cap_w)

    def room_w(self, budget: Budget) -> float | None:
        """The most to draw until the next look without the present window exceeding the cap."""
        if budget.power_w is None:
            return None
        cap_w = budget.power_w - self._steady_w
        return self._window.room_w(cap_w, budget.power_window_s, _NEXT_S)

    def _margin_w(self, cap_w: float, steady_w: float) -> float:
        return min(_MOST * cap_w, max(self._window.excess_w, self._ripple_w) + steady_w)
