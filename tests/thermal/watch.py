"""A model that watches a simulated board under a bursty load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from benchlib.heat_forecasts import Look, Outcome, judge
from heat_board import Weather, calm, looks, prior_of

from edge_rt.thermal.model import ThermalModel

Mangle = Callable[[int, Look], Look]


class Watch:
    """How its forecasts came out, and when it believed itself."""

    def __init__(
        self,
        name: str,
        seconds: float,
        weather: Weather = calm,
        seed: int = 1,
        mangle: Mangle = lambda _, look: look,
    ) -> None:
        self.model = ThermalModel(prior_of(name))
        self.believed: list[tuple[float, bool]] = []
        seen = (mangle(n, look) for n, look in enumerate(looks(name, seed, seconds, weather)))
        self.outcomes: Sequence[Outcome] = judge(self.model, self._noted(seen))

    def _noted(self, seen: Iterator[Look]) -> Iterator[Look]:
        for look in seen:
            yield look
            self.believed.append((look.time_s, self.model.believed))

    def share_believed(self, since_s: float, until_s: float = float("inf")) -> float:
        return fmean(float(b) for time_s, b in self.believed if since_s <= time_s < until_s)
