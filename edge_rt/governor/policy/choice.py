"""Which setting gives the most tokens a second within the watts at hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edge_rt.governor.budget import PowerBounds
from edge_rt.governor.policy.setting import EngineSetting, WorkMix
from edge_rt.governor.power.model import PowerModel

_BETTER = 1.03  # least ratio of speeds for a change of threads
_CLOCK_BETTER = 1.01  # the same for a change of clocks, which costs nothing
_LEAST = 0.02  # lowest duty
_TIE = 0.005  # relative difference of speeds that are equal
_SAVES = 0.97  # most ratio of powers for a change to an equally fast setting
_DEVIATIONS = 1.0  # of a setting's power, beyond the present one's, that are kept free
_EVEN = 0.02  # share of the window; shorter passes fill windows evenly by themselves
_TOO_LONG = 0.5  # factor of the duty where a single pass exceeds what a window may have
_ABOUT = (0.93, 1.0, 1.07)  # times the expected length of passes, the worst of which counts

SpeedOf = Callable[[EngineSetting], tuple[float, float]]
"""Returns the speeds of decoding and of reading prompts, over those at the present setting."""


@dataclass(frozen=True)
class OperatingPoint:
    """A setting with the duties of passes that decode and of those that read prompts.

    `speed` and the board's mean power `power_w` are those of the present mix of both. `planned_w`
    are the mean powers that no window should exceed, while decoding and while reading.
    """

    setting: EngineSetting
    duty: float
    prompt_duty: float
    speed: float
    power_w: float
    planned_w: tuple[float, float]

    @property
    def threads(self) -> int:
        return self.setting.threads


@dataclass(frozen=True)
class OperatingPoints:
    """Compares settings at one look."""

    power: PowerModel
    bounds: PowerBounds
    mix: WorkMix
    speed_of: SpeedOf
    window_s: float
    _draws: dict[tuple[EngineSetting, float], float] = field(
        default_factory=dict[tuple[EngineSetting, float], float]
    )
    _rests: dict[EngineSetting, float] = field(default_factory=dict[EngineSetting, float])

    def options(
        self, settings: Iterable[EngineSetting], peak_w: float | None
    ) -> list[OperatingPoint]:
        """Return each setting with the highest duties that the bounds allow.

        Settings that draw more than `peak_w` within a pass are left out, unless all do: then the
        one that draws least is returned.
        """
        drawn = [(max(self._full_w(s, 0.0), self._full_w(s, 1.0)), s) for s in settings]
        fits = [s for full_w, s in drawn if peak_w is None or full_w <= peak_w]
        return [self.at(s) for s in fits or [min(drawn, key=lambda d: d[0])[1]]]

    def at(
        self, setting: EngineSetting, room_w: float | None = None, careful: bool = False
    ) -> OperatingPoint:
        """Return a setting with the highest duties that the bounds and `room_w` allow.

        `careful`: keep a margin for settings whose power is less certain than the present one's.
        """
        careful = careful and self.bounds.by == "power_w"
        shares = [
            self._share(setting, prompt_share, room_w, careful) for prompt_share in (0.0, 1.0)
        ]
        passes = zip(shares, self._passes_s(setting), strict=True)
        even = [self._evened(share, pass_s) for share, pass_s in passes]
        duty, prompt_duty = (min(1.0, max(_LEAST, share)) for share in even)
        if room_w is not None:  # the plan is the aim alone, without making up for earlier excess
            shares = [
                self._share(setting, prompt_share, None, careful) for prompt_share in (0.0, 1.0)
            ]
        planned = [
            self._power_w(setting, prompt_share, min(1.0, max(_LEAST, share)))
            for prompt_share, share in zip((0.0, 1.0), shares, strict=True)
        ]
        return OperatingPoint(
            setting,
            duty,
            prompt_duty,
            self._speed(setting, even),
            self._mean_w(setting, duty, prompt_duty),
            (planned[0], planned[1]),
        )

    def _passes_s(self, setting: EngineSetting) -> tuple[float, float]:
        """Return seconds of passes that decode and that read.

        Prompts are cut to a length of their own.
        """
        return self.mix.pass_s / self.speed_of(setting)[0], self.mix.prompt_pass_s

    def _evened(self, share: float, pass_s: float) -> float:
        """`share` lowered for long passes: only a cap on power has so short a window."""
        return evened(share, pass_s, self.window_s) if self.bounds.by == "power_w" else share

    def _draw_w(self, setting: EngineSetting, prompt_share: float) -> float:
        """Return watts that the engine adds, computed once."""
        key = setting, prompt_share
        if key not in self._draws:
            self._draws[key] = self.power.draw_w(setting, prompt_share)
        return self._draws[key]

    def _rest_w(self, setting: EngineSetting) -> float:
        if setting not in self._rests:
            self._rests[setting] = self.power.rest_w(setting)
        return self._rests[setting]

    def _full_w(self, setting: EngineSetting, prompt_share: float) -> float:
        return self._rest_w(setting) + self._draw_w(setting, prompt_share)

    def _power_w(self, setting: EngineSetting, prompt_share: float, duty: float) -> float:
        busy = duty * self._intensity(prompt_share)
        return self._rest_w(setting) + busy * self._draw_w(setting, prompt_share)

    def _intensity(self, prompt_share: float) -> float:
        return self.mix.prompt_intensity if prompt_share else self.mix.intensity

    def _share(
        self, setting: EngineSetting, prompt_share: float, room_w: float | None, careful: bool
    ) -> float:
        """Return the duty that the bounds allow for one phase; may be below 0 or above 1."""
        aim_w, whole_w = self.bounds.aim_w, self.bounds.whole_w
        if aim_w is None or whole_w is None:
            return 1.0
        intensity = self._intensity(prompt_share)
        if careful:
            extra_w = self._extra_w(setting, prompt_share, aim_w)
            aim_w, whole_w = aim_w - extra_w, whole_w - extra_w
        if room_w is not None:
            aim_w, whole_w = min(aim_w, room_w), min(whole_w, room_w)
        if self._power_w(setting, prompt_share, 1.0) <= whole_w:
            return 1.0
        return (aim_w - self._rest_w(setting)) / self._draw_w(setting, prompt_share) / intensity

    def _extra_w(self, setting: EngineSetting, prompt_share: float, aim_w: float) -> float:
        busy = min(1.0, max(0.0, self.power.utilisation(setting, aim_w, prompt_share)))
        doubt_w = (
            self.power.deviation_w(setting, busy, prompt_share) - self.power.present_deviation_w
        )
        return _DEVIATIONS * max(0.0, doubt_w)

    def _speed(self, setting: EngineSetting, shares: Sequence[float]) -> float:
        """Speed of the mix: the inverse of its time, with each phase stretched by its rests."""
        prompt_share, seconds = self.mix.prompt_share, 0.0
        for part, speed, share in zip(
            (1.0 - prompt_share, prompt_share), self.speed_of(setting), shares, strict=True
        ):
            if part <= 0.0:
                continue
            if share <= 0.0:
                return 0.0
            seconds += part / (speed * min(1.0, share))
        return 1.0 / seconds

    def _mean_w(self, setting: EngineSetting, duty: float, prompt_duty: float) -> float:
        """Mean power of the mix, rests included; a phase takes longer the lower its duty is."""
        prompt_share = self.mix.prompt_share
        times = ((1.0 - prompt_share) / duty, prompt_share / prompt_duty)
        powers = (self._power_w(setting, 0.0, duty), self._power_w(setting, 1.0, prompt_duty))
        joules = sum(time * power_w for time, power_w in zip(times, powers, strict=True))
        return joules / sum(times)


def choose(found: Sequence[OperatingPoint], present: EngineSetting) -> OperatingPoint:
    """Return the fastest of `found`; of equally fast ones, the one that draws least.

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
    saves = best.speed >= kept.speed * (1.0 - _TIE) and best.power_w < _SAVES * kept.power_w
    return best if saves else kept


def stopped(choice: OperatingPoint, idle_w: float) -> OperatingPoint:
    """`choice` with duties of 0."""
    still = (idle_w, idle_w)
    return dataclasses.replace(choice, duty=0.0, prompt_duty=0.0, power_w=idle_w, planned_w=still)


def evened(share: float, pass_s: float, window_s: float) -> float:
    """Return the duty that keeps windows below `share`, with passes of `pass_s` each.

    A window of W seconds may hold k whole passes and a part of one more, k + part = share·W/pass.
    With one pass in each period T it holds those if k·T + part·pass = W. `pass_s` may be off by a
    few percent.
    """
    if pass_s < _EVEN * window_s or not 0.0 < share < 1.0:
        return share
    return min([_evened_for(share, factor * pass_s, window_s) for factor in _ABOUT])


def _evened_for(share: float, pass_s: float, window_s: float) -> float:
    passes = share * window_s / pass_s
    whole = int(passes + 1e-6)
    if not whole:  # some window holds a whole pass, however long its rest
        return _TOO_LONG * share
    part = max(0.0, passes - whole)
    return min(share, whole * pass_s / (window_s - part * pass_s))


def best_pass_s(duty: float, lost_s: float, part: float, window_s: float) -> float:
    """Return the length t of passes, in seconds, that costs the least throughput.

    Each pass loses `lost_s`, and these passes are `part` of the work: part·lost/t. The first pass
    raises its window's mean before its rest follows, and the margin for that costs
    t/window·(1/duty - 1).
    """
    return math.sqrt(part * lost_s * window_s * duty / max(1e-3, 1.0 - duty))
