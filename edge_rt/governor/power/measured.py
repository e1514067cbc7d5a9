"""Loads and readings of the last looks, and readings compared with the model's watts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edge_rt.governor.policy.setting import BoardLoad
from edge_rt.governor.power.disturbance import DelayMeter, Disturbance, News

_MOST = 60  # looks that are kept
_TINY_S = 1e-6
_DELAY_STEP_S = 0.2  # error of the delay that is allowed for
_DELAY_DOUBT = 0.35  # deviation that it gives a reading, as a share of the model's change meanwhile
_UNEVEN = 0.25  # share of the variance between passes and rests that a look's mean keeps
_GPU_COARSE = 0.7  # least length of a pass, as a share of a look, that a GPU's variance takes
_RECENT = 12  # looks whose watts may still be revised
_SHARP = 0.01  # relative noise at which a reading counts half, and the model half
_LATER = 4  # looks after a step, when it is clear whether passes caused it
_STEADY, _ALIKE = 10, 0.3  # looks that must be alike by then, and the range of their shares
_AROUND, _MIXED = 3, 0.2  # looks before that a reading may show; a phase's error as a share of draw
_PHASE = 0.04  # relative error of the model from one phase to the other
_MOVED = 4  # looks in which the model's own moves may explain a step
_TINY_W = 0.01
_WILD = 2.0  # ratio to all that is known, from which on one reading alone is a glitch


@dataclass
class PowerSample:
    """One look: its length, its load, and the watts that were read in it; None: no new reading.

    `weights` are those of the load in the power model, and `value_w` are the model's watts.
    """

    dt_s: float
    load: BoardLoad
    power_w: float | None
    weights: dict[int, float]
    span_s: float = 0.0  # seconds that the reading covers
    value_w: float = 0.0
    error_w: float = 0.0  # reading less model
    doubt_w2: float = 0.0  # variance of `error_w` beyond the noise
    local_w: float = 0.0  # `error_w` without noise
    jump_w: float = 0.0  # step of `local_w` here
    learnt: bool = False


class Timeline:
    """The last looks, the newest last."""

    def __init__(self) -> None:
        self.looks: list[PowerSample] = []

    def add(self, look: PowerSample) -> None:
        """Append a look; the oldest is forgotten."""
        self.looks.append(look)
        if len(self.looks) > _MOST:
            del self.looks[0]

    def parts(self, index: int, delay_s: float) -> list[tuple[float, PowerSample]]:
        """Return the looks, with shares, that the reading of look `index` shows at `delay_s`.

        Empty if that was before the first look.
        """
        found: list[tuple[float, PowerSample]] = []
        left_s, skip_s = self.looks[index].span_s, delay_s
        for place in range(index, -1, -1):
            look = self.looks[place]
            part_s = min(look.dt_s - skip_s, left_s)
            skip_s = max(0.0, skip_s - look.dt_s)
            if part_s > _TINY_S:
                found.append((part_s, look))
                left_s -= part_s
            if left_s <= _TINY_S:
                break
        seconds = sum([part_s for part_s, _ in found])
        return [(part_s / seconds, look) for part_s, look in found]

    def spread(self, behind_s: float, prompt_share: float) -> Iterator[PowerSample]:
        """Spread a pass that has just ended over the looks before the newest one.

        `behind_s` is how long it had run before the newest look, and `prompt_share` its share of
        prompts. Yields the looks whose load has changed.
        """
        for look in reversed(self.looks[:-1]):
            if behind_s <= _TINY_S:
                return
            load, part_s = look.load, min(behind_s, look.dt_s)
            behind_s -= look.dt_s
            busy = load.busy
            if load.setting.gpu is not None:  # no processor time tells of a pass under way on a GPU
                busy = min(1.0, busy + part_s / look.dt_s)
            share = part_s / look.dt_s
            look.load = replace(
                load,
                busy=busy,
                prompt_share=load.prompt_share + share * (prompt_share - load.prompt_share),
            )
            yield look


DrawOf = Callable[[BoardLoad], float]
"""Returns the watts that the engine adds at the setting of a load if it computes all the time."""


class PowerObserver:
    """The last looks with their late readings, and the model's error at the present setting.

    `step_w` is the step by which other programs' power rose, told at the look at which it is
    clear that the engine did not cause it; 0: there was none.
    """

    def __init__(self, draw_of: DrawOf) -> None:
        self.timeline = Timeline()
        self._draw_of = draw_of
        self._delay, self._local, self._news = DelayMeter(), Disturbance(), News()
        self.step_w = 0.0
        self._wild = False  # whether the last reading was taken for a glitch
        self._before_w: float | None = None  # error before a step that is not told yet

    @property
    def local_w(self) -> float:
        """The power at the present setting less the model's."""
        return self._local.value_w

    @property
    def local_deviation_w(self) -> float | None:
        """Standard deviation of `local_w`; None: nothing was read."""
        return self._local.deviation_w

    @property
    def noise_w(self) -> float:
        """Standard deviation of a reading."""
        return math.sqrt(self._local.noise_w2 or 0.0)

    @property
    def delay_s(self) -> float:
        """How late readings are."""
        return self._delay.seconds

    def shown(self, index: int) -> list[tuple[float, PowerSample]]:
        """Return the looks that the reading of look `index` shows, with their shares."""
        return self.timeline.parts(index, self._delay.seconds)

    def add(
        self,
        dt_s: float,
        load: BoardLoad,
        power_w: float | None,
        weights: dict[int, float],
        expected_w: float,
    ) -> None:
        """Take a look; `power_w` is the sensor's value, which may be an old one.

        `expected_w` are the watts that the model expects. One reading far from those and from all
        around it is a glitch, and counts as none; the second in a row is believed.
        """
        self._wild = not self._wild and power_w is not None and self._far(power_w, expected_w)
        if self._wild:
            power_w = None
        look = PowerSample(dt_s, load, power_w, weights, dt_s)
        before = self.timeline.looks[-1].value_w if self.timeline.looks else 0.0
        if power_w is not None:
            look.span_s = self._news.span_s(dt_s, power_w, before)
            if self._delay.look(dt_s, load.busy, self._draw_of(load), power_w, look.span_s):
                look.span_s = 0.0  # it shows the rest before
        if not look.span_s:
            look.power_w, look.span_s = None, dt_s
        self.timeline.add(look)

    def _far(self, power_w: float, expected_w: float) -> bool:
        looks = self.timeline.looks[-_AROUND:]
        read = [look.power_w for look in looks if look.power_w is not None]
        known = [expected_w, *read, *(look.value_w + self.local_w for look in looks)]
        return bool(read) and not min(known) / _WILD <= power_w <= max(known) * _WILD

    def mixed_w2(self, index: int) -> float:
        """Return the variance of a reading that may show another phase of the engine.

        It is taken from the draw: the model's watts do not show it while phases are badly known.
        """
        around = self.timeline.looks[max(0, index - _AROUND) : index + 2]
        prompt_share = [look.load.prompt_share for look in around]
        height_w = self._draw_of(self.timeline.looks[index].load)
        return (_MIXED * (max(prompt_share) - min(prompt_share)) * height_w) ** 2

    def lose(self) -> float:
        """Forget the error, as nothing can be read any more; returns the last one."""
        lost_w = self._local.value_w
        self._local.clear()
        self.step_w, self._before_w = 0.0, None
        return lost_w

    def observe(self) -> None:
        """Take the reading of the newest look; all looks have the model's `value_w` by then."""
        self.step_w = 0.0
        power_w = self.timeline.looks[-1].power_w
        if power_w is None:
            return
        looks = self.timeline.looks
        newest, before = looks[-1], looks[-2] if len(looks) > 1 else None
        first = max(len(looks) - _RECENT - 1, 0)
        read = [k for k in range(first, len(looks)) if looks[k].power_w is not None]
        for k in read:
            looks[k].error_w = (looks[k].power_w or 0.0) - self._shown_w(k, self._delay.seconds)
        newest.doubt_w2 = self._doubt_w2(len(looks) - 1)
        errors = [looks[k].error_w for k in read]
        doubts = [looks[k].doubt_w2 + self._phase_w2(looks[k], newest) for k in read]
        same = before is not None and before.power_w == power_w
        jump_w = self._local.look(newest.span_s, power_w, errors, doubts, same)
        moved = abs(jump_w) <= self._own_move_w()  # then the figures may be wrong
        newest.jump_w = 0.0 if moved else jump_w
        if jump_w:
            self._before_w = self._local.value_w - jump_w
        if self._before_w is not None and self._local.count >= _LATER:
            if self._steady():
                self.step_w = self._local.value_w - self._before_w
            self._before_w = None
        for k in read[-self._local.count :]:
            looks[k].local_w = self._local.value_w

    def _phase_w2(self, look: PowerSample, newest: PowerSample) -> float:
        """Return the variance that an error of another phase has as one of the present phase."""
        apart = look.load.prompt_share - newest.load.prompt_share
        return (_PHASE * apart * look.value_w) ** 2

    def _own_move_w(self) -> float:
        """Return the range, by the model, of the power that the last readings show."""
        count = len(self.timeline.looks)
        shown = [
            self._shown_w(k, self._delay.seconds) for k in range(max(0, count - _MOVED), count)
        ]
        return max(shown) - min(shown)

    def _steady(self) -> bool:
        """Return whether the load stayed the same, so that a step is another program's."""
        loads = [look.load for look in self.timeline.looks[-_STEADY:]]
        busy, prompt_share = [load.busy for load in loads], [load.prompt_share for load in loads]
        alike = max(busy) - min(busy) < _ALIKE and max(prompt_share) - min(prompt_share) < _ALIKE
        return alike and len({load.setting for load in loads}) == 1

    def recent(self) -> list[float]:
        """Return watts of the last looks, the newest last.

        They are read where the reading has come by now, and the model's where it has not. The
        less noise there is, the more readings count.
        """
        looks, found = self.timeline.looks[-_RECENT:], list[float]()
        for index, look in enumerate(looks):
            shown = looks[min(index + round(self._delay.seconds / look.dt_s), len(looks) - 1)]
            late = index + round(self._delay.seconds / look.dt_s) >= len(looks)
            if shown.power_w is None or late or self._news.slow:
                found.append(max(0.0, look.value_w + self._local.value_w))
                continue
            noise = self.noise_w / max(_TINY_W, _SHARP * shown.power_w)
            sharp = 1.0 / (1.0 + noise * noise)
            error_w = shown.local_w + sharp * (shown.error_w - shown.local_w)
            found.append(max(0.0, look.value_w + error_w))
        return found

    def _shown_w(self, index: int, delay_s: float) -> float:
        parts = self.timeline.parts(index, delay_s)
        if not parts:
            return self.timeline.looks[0].value_w
        return sum([share * look.value_w for share, look in parts])

    def _doubt_w2(self, index: int) -> float:
        """Return the variance of a reading from the error of the delay and passes within a look."""
        delay_s = self._delay.seconds
        values = [
            self._shown_w(index, max(0.0, delay_s + step_s))
            for step_s in (-_DELAY_STEP_S, 0.0, _DELAY_STEP_S)
        ]
        return (_DELAY_DOUBT * (max(values) - min(values))) ** 2 + self._uneven_w2(index)

    def _uneven_w2(self, index: int) -> float:
        """Return the variance of a reading by passes and rests that take turns within a look."""
        parts = [look.load for look in self.timeline.looks[max(0, index - 2) : index + 1]]
        passes = min(1.0, sum([load.busy / load.intensity for load in parts]) / len(parts))
        newest = parts[-1]
        mean_of = newest.coarse if newest.setting.gpu is None else max(_GPU_COARSE, newest.coarse)
        height_w = mean_of * newest.intensity * self._draw_of(newest)
        return _UNEVEN * passes * (1.0 - passes) * height_w**2
