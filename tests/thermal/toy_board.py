"""A board of two nodes, and a model that watches it."""

from __future__ import annotations

from edge_rt.thermal.course import Forecast
from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import Network, Pair, ThermalPrior

TRUE = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
PRIOR = ThermalPrior((1.0, 9.0), (3.0, 40.0), 1.5)
DT_S = 0.2


def steady(network: Network, power_w: float, fan: float) -> Pair:
    """Temperatures that `power_w` ends at."""
    outer_c = network.ambient_c + power_w / network.to_air_w_per_c(fan)
    through_w = power_w - min(network.outer_w, power_w)
    return outer_c + network.resistances_c_per_w[0] * through_w, outer_c


class Board:
    """A board that a model watches."""

    def __init__(self, leakage: Leakage | None = None) -> None:
        self.model = ThermalModel(PRIOR, leakage and leakage.power_w)
        self.time_s = 0.0
        self.temps = steady(TRUE, 2.0, 0.5)

    def run(
        self,
        seconds: float,
        sees_heat: bool = True,
        sees_power: bool = True,
        dt_s: float = DT_S,
        told: bool = True,
    ) -> None:
        """At 2 and 7 W in turn, half a minute each; not `told`: nobody looks."""
        for _ in range(round(seconds / dt_s)):
            self.time_s += dt_s
            power_w = 7.0 if self.time_s // 30.0 % 2 else 2.0
            self.temps = TRUE.advance(TRUE.step(dt_s, 0.5), self.temps, power_w)
            temp_c = round(self.temps[0], 1) if sees_heat else None
            if told:
                self.model.observe(self.time_s, temp_c, power_w if sees_power else None, 0.5)

    def error_k(self, seconds: float = 30.0) -> float:
        """Of the forecast for half a minute at 5 W."""
        forecast = self.model.forecast(5.0, seconds)
        assert forecast is not None
        temps, step = self.temps, TRUE.step(0.05, 0.5)
        for _ in range(round(seconds / 0.05)):
            temps = TRUE.advance(step, temps, 5.0)
        return abs(temps[0] - forecast.temp_c)


def peak(model: ThermalModel, power_w: float, horizon_s: float) -> Forecast | None:
    """The highest temperature until then, and its band."""
    outlook = model._look()
    return None if outlook is None else outlook.peak(power_w, horizon_s)


def answers(model: ThermalModel) -> list[object]:
    return [
        model.forecast(5.0, 30.0),
        peak(model, 5.0, 30.0),
        model.most_power_w(80.0, 30.0),
        model.seconds_to(80.0, 50.0),
        model.trial(),
    ]


def why(model: ThermalModel) -> str:
    assert model.state is not None
    return model.state.why
