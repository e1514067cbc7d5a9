"""Curves over time as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape
from itertools import pairwise
from statistics import median

from edge_rt.cli.text import significant

WIDTH, _HEIGHT = 960, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 30, 8, 20
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600)
_MOST_LABELS = 8
_GAP = 5.0  # times the usual step from which on a curve is broken

Points = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """One figure over time; `css` is its class. `band` is the half width of an area around it.

    `steps` draws it level until the next moment, as limits are. One that is `aside` is shown
    only where it comes near the others, which it does not squeeze together.
    """

    name: str
    css: str
    values: Points
    band: Points | None = None
    steps: bool = False
    aside: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves with one unit; `floor` and `top` are always within what is shown.

    `counts` are whole numbers, and so are their marks; `words` stand for 0, 1, 2 and so on.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    floor: float | None = None
    top: float | None = None
    counts: bool = False
    words: Sequence[str] = ()


def draw(chart: Chart, times: Sequence[float], zone: tzinfo | None = None) -> str:
    """The chart as an <svg> element, over Unix seconds in order."""
    frame = _Frame.around(chart, times)
    parts = [*_grid(frame, zone)]
    for curve in chart.curves:
        if curve.band is not None:
            parts += _area(frame, times, curve)
        parts += _line(frame, times, curve)
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(chart.title)}">{body}</svg>'
    )


def legend(chart: Chart, times: Sequence[float]) -> str:
    """Which curve is which; a curve without a figure is left out."""
    frame, names = _Frame.around(chart, times), list[str]()
    for curve in chart.curves:
        found = [v for v in curve.values if v is not None]
        if found:
            seen = any(frame.holds(value) for value in found)
            where = "" if seen else ", above this" if found[0] > frame.high else ", below this"
            names.append(f'<span class="{curve.css}">{escape(curve.name + where)}</span>')
    return "".join(names)


@dataclass(frozen=True)
class _Frame:
    begin_s: float
    end_s: float
    low: float
    high: float
    step: float
    unit: str
    words: Sequence[str]

    @classmethod
    def around(cls, chart: Chart, times: Sequence[float]) -> _Frame:
        low, high = _extent(chart)
        step = max(_nice((high - low) / 4), 1.0 if chart.counts or chart.words else 0.0)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        begin_s = times[0]
        return cls(begin_s, max(times[-1], begin_s + 1.0), low, high, step, chart.unit, chart.words)

    def holds(self, value: float) -> bool:
        """Whether it is within what is shown."""
        return self.low <= value <= self.high

    def x(self, time_s: float) -> float:
        share = (time_s - self.begin_s) / (self.end_s - self.begin_s)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _extent(chart: Chart) -> tuple[float, float]:
    """The lowest and the highest figure, and those aside that are near them."""
    found = [v for c in chart.curves if not c.aside for v in c.values if v is not None]
    aside = [v for c in chart.curves if c.aside for v in c.values if v is not None]
    found += [edge for edge in (chart.floor, chart.top) if edge is not None]
    found = found or aside
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if high - low < 1e-6:
        low, high = low - 0.5, high + 0.5
    near = [v for v in aside if abs(v - (low + high) / 2) <= high - low]  # half as far again
    return min([low, *near]), max([high, *near])


def _nice(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 … that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def _grid(frame: _Frame, zone: tzinfo | None) -> Iterator[str]:
    for n in range(round((frame.high - frame.low) / frame.step) + 1):
        value = frame.low + n * frame.step
        y = frame.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = frame.words[round(value)] if frame.words else f"{_short(value)} {frame.unit}"
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
    for time_s in _moments(frame):
        x, clock = frame.x(time_s), datetime.fromtimestamp(time_s, zone)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        form = "%H:%M:%S" if frame.end_s - frame.begin_s < 600 else "%H:%M"
        yield (f'<text x="{x:.1f}" y="{_HEIGHT - 5}" text-anchor="middle">{clock:{form}}</text>')


def _short(value: float) -> str:
    text = significant(value) if abs(value) > 1e-9 else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moments(frame: _Frame) -> Iterator[float]:
    span_s = frame.end_s - frame.begin_s
    step_s = next((s for s in _TIME_STEPS if span_s / s <= _MOST_LABELS), _TIME_STEPS[-1])
    time_s = math.ceil(frame.begin_s / step_s) * step_s
    while time_s <= frame.end_s:
        yield time_s
        time_s += step_s


def _pieces(times: Sequence[float], values: Points) -> Iterator[list[int]]:
    """Runs of moments with figures, broken where some are missing."""
    usual_s = median(b - a for a, b in pairwise(times)) if len(times) > 1 else 0.0
    piece: list[int] = []
    for n, value in enumerate(values):
        late = bool(piece) and times[n] - times[piece[-1]] > _GAP * usual_s
        if piece and (value is None or late):
            yield piece
            piece = []
        if value is not None:
            piece.append(n)
    if piece:
        yield piece


def _line(frame: _Frame, times: Sequence[float], curve: Curve) -> Iterator[str]:
    shown = [v if v is not None and frame.holds(v) else None for v in curve.values]
    for piece in _pieces(times, shown):
        path, last_y = "", ""
        for n in piece:
            x, y = f"{frame.x(times[n]):.1f}", f"{frame.y(curve.values[n] or 0.0):.1f}"
            corner = f"L{x} {last_y}" if curve.steps and last_y not in ("", y) else ""
            path += corner + ("L" if path else "M") + f"{x} {y}"
            last_y = y
        path += "h0.5" if len(piece) == 1 else ""  # else a lone moment would not show
        yield f'<path class="{curve.css}" d="{path}"/>'


def _area(frame: _Frame, times: Sequence[float], curve: Curve) -> Iterator[str]:
    widths = curve.band or ()
    known = [v if w is not None else None for v, w in zip(curve.values, widths, strict=True)]
    for piece in _pieces(times, known):
        rows = [(frame.x(times[n]), curve.values[n] or 0.0, widths[n] or 0.0) for n in piece]
        above = [f"{x:.1f} {frame.y(v + w):.1f}" for x, v, w in rows]
        below = [f"{x:.1f} {frame.y(v - w):.1f}" for x, v, w in reversed(rows)]
        yield f'<path class="{curve.css} band" d="M{"L".join(above + below)}Z"/>'
