"""The power cap: the setpoint below it, and what the present window leaves."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.config.schema import BudgetConfig

_HALF_S = 40.0  # half-life of an excess
_NEW, _LEAST_S = 0.5, 1.0  # at first it is this share of the time at work so far, at least a second
_LEARNT_S = 40.0  # of work, after which windows have shown what they come out like
_MOST_EXCESS = 0.1  # of the plan, which an excess may be: a larger one would be kept too long
_TINY_S = 1e-6
# The margin and its parts; shares are of the cap.
_MOST = 0.15  # largest margin
_FLOOR = 0.02  # least margin
_DEVIATIONS = 1.5  # of the model's power that are kept free
_RIPPLE = 0.06  # most for passes and rests, before windows have shown what they come out like
_STEP, _STEPS = 0.8, 0.1  # share of another program's step that is kept free, and the most of it
_AGAIN_S = 60.0  # half-life of that part: a program that came may come again
_OVER_S = 0.5  # half-life of a window's excess over the cap, which is kept free
_NEXT_S = 0.2  # until the next look


class PowerWindow:
    """Keeps the looks of the present window, and the excess of past windows over their plan."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, float, float]] = []  # seconds, watts, watts planned
        self.mean_w = 0.0  # power of the last whole window; 0: there is none yet
        self.excess_w = 0.0  # of the worst window, which fades
        self.whole_excess_w = 0.0  # the same of windows in which the engine was to make no pause
        self._whole_s = 0.0  # for which it was not to
        self._begins = False
        self._worked_s = 0.0

    def add(
        self,
        dt_s: float,
        power_w: float,
        planned_w: float,
        window_s: float,
        before: Sequence[float] = (),
        worked: bool = True,
        whole: bool = False,
    ) -> None:
        """Take a look of `dt_s` with the mean power `power_w`, of which `planned_w` was planned.

        `worked` tells whether the engine computed, and `whole` whether it was to make no pause.
        `before` are the revised watts of the looks before, the newest last.
        """
        self._whole_s = self._whole_s + dt_s if whole else 0.0
        if self._begins:  # this look began under the limits before
            self._begins = False
            return
        self._revise(before)
        self._looks.append((dt_s, power_w, planned_w))
        seconds = sum([look[0] for look in self._looks])
        while seconds - self._looks[0][0] >= window_s - _TINY_S:
            seconds -= self._looks.pop(0)[0]
        self._worked_s += dt_s * worked
        half_s = min(_HALF_S, max(_LEAST_S, _NEW * self._worked_s))
        fade = 0.5 ** (dt_s / half_s)
        self.excess_w *= fade
        self.whole_excess_w *= fade
        if seconds >= window_s - _TINY_S:
            self.mean_w = sum([dt * power for dt, power, _ in self._looks]) / seconds
            excess_w = sum([dt * (power - plan) for dt, power, plan in self._looks]) / seconds
            excess_w = min(excess_w, _MOST_EXCESS * planned_w)
            self.excess_w = max(self.excess_w, excess_w)
            if self._whole_s >= window_s - _TINY_S:
                self.whole_excess_w = max(self.whole_excess_w, excess_w)

    @property
    def new(self) -> float:
        """1 at first, falling to 0 as windows show what they come out like."""
        return max(0.0, 1.0 - self._worked_s / _LEARNT_S)

    def turn(self) -> None:
        """Begin a new window; the excess stays."""
        self._looks.clear()
        self.mean_w = 0.0
        self._begins = True

    def room_w(self, cap_w: float, window_s: float, next_s: float) -> float:
        """Return the most power for the next `next_s` with which the window keeps the cap."""
        left_s, spent_j = max(0.0, window_s - next_s), 0.0
        for dt_s, power_w, _ in reversed(self._looks):
            part_s = min(dt_s, left_s)
            spent_j += part_s * power_w
            left_s -= part_s
        spent_j += left_s * cap_w  # before the first look
        return (cap_w * window_s - spent_j) / min(next_s, window_s)

    def _revise(self, before: Sequence[float]) -> None:
        for back, power_w in enumerate(reversed(before[-len(self._looks) :]), 1):
            if back > len(self._looks):
                break
            dt_s, _, planned_w = self._looks[-back]
            self._looks[-back] = dt_s, power_w, planned_w


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

    def interrupt(self) -> None:
        """Begin a new window; the excess of the last one is not made up for."""
        self._window.turn()
        self._over_w = 0.0

    def target_w(
        self, budget: BudgetConfig, deviation_w: float, ripple_w: float = 0.0
    ) -> tuple[float, float] | None:
        """Return watts to aim at with rests, and without rests, when power is steadier.

        `deviation_w` is the standard deviation of the model's power, and `ripple_w` the excess of
        windows by passes and rests. None: there is no cap.
        """
        cap_w = budget.power_w
        if cap_w != self._cap_w:
            self.interrupt()  # excess over another cap is not made up for under this one
            self._cap_w = cap_w
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

    def likely_w(self, budget: BudgetConfig) -> float | None:
        """Return the aim if the model of the power were exact; None: there is no cap."""
        cap_w = budget.power_w
        return None if cap_w is None else cap_w - self._margin_w(cap_w, _FLOOR * cap_w)

    def room_w(self, budget: BudgetConfig) -> float | None:
        """Return the most to draw until the next look that keeps the present window in the cap."""
        if budget.power_w is None:
            return None
        cap_w = budget.power_w - self._steady_w
        return self._window.room_w(cap_w, budget.power_window_s, _NEXT_S)

    def _margin_w(self, cap_w: float, steady_w: float) -> float:
        return min(_MOST * cap_w, max(self._window.excess_w, self._ripple_w) + steady_w)
