"""Which setting gives the most tokens a second within the watts at hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edge_rt.governor.bounds import Bounds
from edge_rt.governor.power import PowerModel
from edge_rt.governor.setting import Mix, Setting

_BETTER = 1.03  # how much faster another thread count must be to be taken
_CLOCK_BETTER = 1.01  # and another clock, which costs nothing to turn
_LEAST = 0.02  # duty below which nothing is paced any more
_TIE = 0.005
_UNSURE = 0.7  # deviations of the model that are kept free, beyond those of now
_EVEN = 0.02  # of the window: passes that are shorter need no evening out
_TOO_LONG = 0.5  # of the duty is left where a single pass is more than a window may have
_ABOUT = (0.93, 1.0, 1.07)  # times the length that passes are thought to have

SpeedOf = Callable[[Setting], tuple[float, float]]
"""Decoding and reading prompts, each as multiples of the speed at the present setting."""


@dataclass(frozen=True)
class Choice:
    """A setting with duties for passes that decode and for those that read prompts.

    `speed` is that of the present mix of both, and `power_w` the board's mean power meanwhile.
    `planned_w` are the means that no window should exceed, in decoding and in reading.
    """

    setting: Setting
    duty: float
    prompt_duty: float
    speed: float
    power_w: float
    planned_w: tuple[float, float]

    @property
    def threads(self) -> int:
        """Of the setting."""
        return self.setting.threads


@dataclass(frozen=True)
class Chooser:
    """Weighs settings against each other by what is known at one look."""

    power: PowerModel
    bounds: Bounds
    mix: Mix
    speed_of: SpeedOf
    window_s: float
    _draws: dict[tuple[Setting, float], float] = field(
        default_factory=dict[tuple[Setting, float], float]
    )

    def options(self, settings: Iterable[Setting], peak_w: float | None) -> list[Choice]:
        """Each setting, as busy as the bounds allow.

        Settings that would draw more than `peak_w` within a pass are left out, but the one that
        draws least never.
        """
        drawn = [(max(self._full_w(s, 0.0), self._full_w(s, 1.0)), s) for s in settings]
        fits = [s for full_w, s in drawn if peak_w is None or full_w <= peak_w]
        return [self.at(s) for s in fits or [min(drawn, key=lambda d: d[0])[1]]]

    def at(self, setting: Setting, room_w: float | None = None, careful: bool = False) -> Choice:
        """One setting, as busy as the bounds and `room_w` allow.

        With `careful` what is not known as well as the present power is kept free.
        """
        careful = careful and self.bounds.by == "power_w"
        shares = [self._share(setting, reading, room_w, careful) for reading in (0.0, 1.0)]
        passes = zip(shares, self._passes_s(setting), strict=True)
        even = [self._evened(share, pass_s) for share, pass_s in passes]
        duty, prompt_duty = (min(1.0, max(_LEAST, share)) for share in even)
        if room_w is not None:  # the plan is the aim; room makes up for what went over it
            shares = [self._share(setting, reading, None, careful) for reading in (0.0, 1.0)]
        planned = [
            self._power_w(setting, reading, min(1.0, max(_LEAST, share)))
            for reading, share in zip((0.0, 1.0), shares, strict=True)
        ]
        return Choice(
            setting,
            duty,
            prompt_duty,
            self._speed(setting, even),
            self._mean_w(setting, duty, prompt_duty),
            (planned[0], planned[1]),
        )

    def _passes_s(self, setting: Setting) -> tuple[float, float]:
        """How long passes take there; those that read prompts are cut to the same length."""
        return self.mix.pass_s / self.speed_of(setting)[0], self.mix.prompt_pass_s

    def _evened(self, share: float, pass_s: float) -> float:
        """Only a cap on power has a window so short that single passes matter."""
        return evened(share, pass_s, self.window_s) if self.bounds.by == "power_w" else share

    def _draw_w(self, setting: Setting, reading: float) -> float:
        """What the engine adds, worked out once."""
        key = setting, reading
        if key not in self._draws:
            self._draws[key] = self.power.draw_w(setting, reading)
        return self._draws[key]

    def _full_w(self, setting: Setting, reading: float) -> float:
        return self.power.idle_w + self._draw_w(setting, reading)

    def _power_w(self, setting: Setting, reading: float, duty: float) -> float:
        busy = duty * self._intensity(reading)
        return self.power.idle_w + busy * self._draw_w(setting, reading)

    def _intensity(self, reading: float) -> float:
        return self.mix.prompt_intensity if reading else self.mix.intensity

    def _share(
        self, setting: Setting, reading: float, room_w: float | None, careful: bool
    ) -> float:
        """The share of the time that passes of one phase may take; may be below 0 or above 1."""
        aim_w, whole_w = self.bounds.aim_w, self.bounds.whole_w
        if aim_w is None or whole_w is None:
            return 1.0
        intensity = self._intensity(reading)
        if careful:
            extra_w = self._extra_w(setting, reading, aim_w)
            aim_w, whole_w = aim_w - extra_w, whole_w - extra_w
        if room_w is not None:
            aim_w, whole_w = min(aim_w, room_w), min(whole_w, room_w)
        if self._power_w(setting, reading, 1.0) <= whole_w:
            return 1.0
        return (aim_w - self.power.idle_w) / self._draw_w(setting, reading) / intensity

    def _extra_w(self, setting: Setting, reading: float, aim_w: float) -> float:
        busy = min(1.0, max(0.0, self.power.utilisation(setting, aim_w, reading)))
        doubt_w = self.power.unsure_w(setting, busy, reading) - self.power.present_unsure_w
        return _UNSURE * max(0.0, doubt_w)

    def _speed(self, setting: Setting, shares: Sequence[float]) -> float:
        """Of the mix: the busy time of each phase, made longer by its rests and its speed."""
        reading, seconds = self.mix.reading, 0.0
        for part, speed, share in zip(
            (1.0 - reading, reading), self.speed_of(setting), shares, strict=True
        ):
            if part <= 0.0:
                continue
            if share <= 0.0:
                return 0.0
            seconds += part / (speed * min(1.0, share))
        return 1.0 / seconds

    def _mean_w(self, setting: Setting, duty: float, prompt_duty: float) -> float:
        """Over passes and rests of the mix; a phase takes longer the lower its duty is."""
        reading = self.mix.reading
        times = ((1.0 - reading) / duty, reading / prompt_duty)
        powers = (self._power_w(setting, 0.0, duty), self._power_w(setting, 1.0, prompt_duty))
        joules = sum(time * power_w for time, power_w in zip(times, powers, strict=True))
        return joules / sum(times)


def choose(found: Sequence[Choice], present: Setting) -> Choice:
    """The fastest of `found`; of equals the one that draws least.

    The `present` setting is kept unless another is clearly better.
    """
    top = max(choice.speed for choice in found)
    best = min(
        (c for c in found if c.speed >= top * (1.0 - _TIE)), key=lambda c: (c.power_w, c.threads)
    )
    kept = next((choice for choice in found if choice.setting == present), None)
    if kept is None:
        return best
    better = _CLOCK_BETTER if best.threads == kept.threads else _BETTER
    if best.speed > better * kept.speed:
        return best
    saves = best.speed >= kept.speed * (1.0 - _TIE) and best.power_w < 0.97 * kept.power_w
    return best if saves else kept


def stopped(choice: Choice, idle_w: float) -> Choice:
    """The same, with an engine that does nothing."""
    still = (idle_w, idle_w)
    return dataclasses.replace(choice, duty=0.0, prompt_duty=0.0, power_w=idle_w, planned_w=still)


def evened(share: float, pass_s: float, window_s: float) -> float:
    """The duty with which no window has more than `share` of passes that take `pass_s` each.

    A window of W seconds may have k whole passes and a part of one more, k + part = share·W/pass.
    With a pass and its rest every T it has that when k·T + part·pass = W. Passes may take a
    little more or less than that.
    """
    if pass_s < _EVEN * window_s or not 0.0 < share < 1.0:
        return share
    return min([_evened_for(share, factor * pass_s, window_s) for factor in _ABOUT])


def _evened_for(share: float, pass_s: float, window_s: float) -> float:
    passes = share * window_s / pass_s
    whole = int(passes + 1e-6)
    if not whole:  # a window may have all of a pass whatever the rest: it is not for this cap
        return _TOO_LONG * share
    part = max(0.0, passes - whole)
    return min(share, whole * pass_s / (window_s - part * pass_s))


def best_pass_s(duty: float, lost_s: float, part: float, window_s: float) -> float:
    """The length of passes that costs least.

    Each loses `lost_s`, and passes are `part` of the work: part·lost/t. A window in which the
    first one comes has its power on top before its rest follows, which a margin must leave room
    for: t/window·(1/duty - 1) of what the engine draws.
    """
    return math.sqrt(part * lost_s * window_s * duty / max(1e-3, 1.0 - duty))
