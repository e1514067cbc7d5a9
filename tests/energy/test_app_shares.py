"""What each application pays is what the board would not have drawn without it.

The board is that of tools/bench govern: its cores leak more as they get warm, wake and sleep, and
its rails lose power in regulators; it shares no equation with the attribution.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pytest
from benchlib.plant_board import PlantBoard
from benchlib.plant_engine import Pass
from benchlib.plant_figures import draw
from benchlib.plant_kinds import AGX_ORIN, ORIN_NANO, PI5, Kind
from benchlib.plant_load import FINE, NOBODY

from edge_rt.board.integral import Integral
from edge_rt.board_model.idle import IdlePower
from edge_rt.energy.account import Account
from edge_rt.energy.attribution import Attribution

STEP_S = 0.05
WARM_S = 900.0  # idle, until the board's temperature is steady
LASTS_S = 300.0
ROOM_C = 25.0


@dataclass(frozen=True)
class App:
    """Sends a request every `period_s` that keeps the engine busy for `busy_s` of them."""

    begin_s: float
    period_s: float
    busy_s: float
    computing: float  # how much of its passes' time is arithmetic, and not memory

    def working(self, time_s: float) -> int | None:
        """Return the number of its request that the engine works for; None: none."""
        number, since_s = divmod(time_s - self.begin_s, self.period_s)
        return int(number) if number >= 0 and since_s < self.busy_s else None


APPS = {  # never two at once: the engine serves them by turns
    "camera": App(2.0, 5.0, 0.8, 0.9),
    "chat": App(3.5, 15.0, 3.0, 0.3),
}


class Board:
    """A board with some of the applications, and the product's attribution at its supply."""

    def __init__(self, kind: Kind, present: Collection[str]) -> None:
        self.kind, self.present = kind, present
        self.plant = PlantBoard(draw(kind, 1), ROOM_C)
        self.attribution = Attribution(IdlePower())
        self.energy_j = 0.0
        self.shares_j: dict[str, float] = defaultdict(float)
        self._meter = Integral(1.0)
        self._accounts: dict[tuple[str, int], Account] = {}

    def run(self) -> None:
        for _ in range(round(WARM_S)):
            self.plant.step(1.0, [], NOBODY, FINE)
        for step in range(round(LASTS_S / STEP_S)):
            self._step(step * STEP_S)
        self._close(LASTS_S, ())
        for app, energy_j in self.attribution.tails_j.items():
            self.shares_j[app] += energy_j

    def _step(self, now_s: float) -> None:
        at_work = list(self._at_work(now_s))
        self._close(now_s, at_work)
        for key in at_work:
            if key not in self._accounts:
                self._accounts[key] = self.attribution.open(now_s)
                self._accounts[key].app = key[0]
        self.plant.step(STEP_S, [self._pass(app) for app, _ in at_work], NOBODY, FINE)
        self.energy_j += STEP_S * self.plant.power_w
        self._meter.add(now_s + STEP_S, self.plant.power_w)
        for key in at_work:
            self.attribution.told(now_s, now_s + STEP_S, [(self._accounts[key], 0.0, STEP_S)])
        self.attribution.reading(now_s + STEP_S, self._meter.total())

    def _at_work(self, now_s: float) -> Iterator[tuple[str, int]]:
        for name in self.present:
            if (number := APPS[name].working(now_s + STEP_S / 2)) is not None:
                yield name, number

    def _pass(self, app: str) -> tuple[float, Pass]:
        gpu, cores = self.kind.gpu is not None, self.kind.cores
        computing = APPS[app].computing
        busy = 1 if gpu else cores
        return 1.0, Pass(0.0, 1e9, busy, float(busy), gpu, computing, 1.0 - computing, 1, 0.0, 0)

    def _close(self, now_s: float, at_work: Collection[tuple[str, int]]) -> None:
        for key in [key for key in self._accounts if key not in at_work]:
            bill = self.attribution.close(self._accounts.pop(key), now_s)
            self.shares_j[key[0]] += bill.energy_j or 0.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ORIN_NANO, AGX_ORIN, PI5], ids=lambda kind: kind.profile)
def test_each_pays_what_the_board_would_not_have_drawn_without_it(kind: Kind) -> None:
    both, none = Board(kind, APPS), Board(kind, ())
    both.run()
    none.run()
    for name in APPS:
        others = Board(kind, APPS.keys() - {name})
        others.run()
        added_j = both.energy_j - others.energy_j
        assert both.shares_j[name] == pytest.approx(added_j, rel=0.1)
    totals = both.attribution.totals
    assert totals.idle_j == pytest.approx(none.energy_j, rel=0.1)
    whole_j = sum(both.shares_j.values()) + totals.idle_j
    assert whole_j == pytest.approx(both.energy_j, rel=0.02)
