"""Keeping the power cap: what to aim at, and what the window under way leaves."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.governor.budget import Budget
from edge_rt.governor.window import PowerWindow

_MOST = 0.15  # of the cap may be kept free
_NEXT_S = 0.2  # until the next look
_RIPPLE = 0.06  # of the cap is kept free at most for passes before they have shown what they do
_STEP, _STEPS = 0.8, 0.1  # of a step of others, and at most of the cap, is kept free
_AGAIN_S = 60.0  # in which half of that is forgotten: what came may come again
_UNSURE, _FLOOR = 0.7, 0.014  # deviations of the model and share of the cap that are kept free


class Cap:
    """Aims below the cap by what went wrong lately, and makes up for what a window has too much.

    It watches without a cap too, so that one that is set knows at once how far plans come true.
    """

    def __init__(self) -> None:
        self._window = PowerWindow()
        self._cap_w: float | None = None
        self._steady_w = self._steps_w = self._ripple_w = 0.0
        self.unsure_w = 0.0  # of the margin: for what the model is not sure of
        self.margin_w: float | None = None  # kept free; None: there is no cap

    def look(
        self,
        dt_s: float,
        drawn: Sequence[float],
        planned_w: float,
        window_s: float,
        worked: bool = True,
        step_w: float = 0.0,
    ) -> None:
        """The limits in force for the last `dt_s` had asked for `planned_w`.

        `drawn` are the watts of the last looks, the newest last; see PowerWindow for `worked`.
        `step_w` is what something else has begun to draw meanwhile.
        """
        self._steps_w = max(self._steps_w * 0.5 ** (dt_s / _AGAIN_S), _STEP * step_w)
        self._window.add(dt_s, drawn[-1], planned_w, window_s, drawn[:-1], worked)

    def aims_w(
        self, budget: Budget, unsure_w: float, ripple_w: float = 0.0
    ) -> tuple[float, float] | None:
        """Watts to aim at with pauses, and without: an engine at work all the time is steady.

        The model of the power deviates by `unsure_w`, and passes and their rests make windows
        uneven by `ripple_w`. None: there is no cap.
        """
        cap_w = budget.power_w
        if cap_w != self._cap_w:
            self._window.turn()  # what was drawn under another cap is no debt under this one
            self._cap_w = cap_w
        if cap_w is None:
            self.margin_w, self.unsure_w = None, 0.0
            return None
        steps_w = min(_STEPS * cap_w, self._steps_w)
        self._steady_w = min(_MOST * cap_w, _UNSURE * unsure_w + _FLOOR * cap_w + steps_w)
        self.unsure_w = max(0.0, self._steady_w - _FLOOR * cap_w)
        self._ripple_w = self._window.new * min(_RIPPLE * cap_w, ripple_w)
        self.margin_w = self._margin_w(cap_w, self._steady_w)
        return cap_w - self.margin_w, cap_w - self._steady_w

    def likely_w(self, budget: Budget) -> float | None:
        """What may be aimed at if the model of the power is right; None: there is no cap."""
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
