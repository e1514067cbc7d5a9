"""A full calibration watches a board cool that has become warm, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from simulated import Simulated

from edge_rt.core.reports.planning import Calibrated, CalibrateRequest
from edge_rt.energy.calibration.session import FIT_S, STILL_S

COLD_C = 40.0


class Warm:
    """A house whose board warms by `rise_c` in all while it works, and cools by 0.8 K a second."""

    def __init__(self, kit: Any, folder: Path, rise_c: float) -> None:
        self.house = kit.house(state_folder=folder)
        self.house.governor_loop.seen = SimpleNamespace(temp_c=COLD_C, trip_c=80.0)
        self._rise_c, self._rest = rise_c, self.house.rest
        engine = Simulated(self.house)
        engine.before = self._warm
        tools = self.house.routing.calibrator._tools
        object.__setattr__(tools, "pause", self._cool)
        self.known_after = float("inf")  # refits
        self.refits = 0
        leakage = self.house.governor_loop.heat.leakage

        def refit() -> None:
            self.refits += 1
            if self.refits > self.known_after:
                leakage.fit = replace(leakage.fit, source="measured", missing=None)

        leakage.refit = refit

    @property
    def temp_c(self) -> float:
        return self.house.governor_loop.seen.temp_c

    def _warm(self, number: int) -> None:
        self.house.governor_loop.seen.temp_c = COLD_C + self._rise_c

    async def _cool(self, seconds: float) -> None:
        seen = self.house.governor_loop.seen
        seen.temp_c = max(COLD_C + 2.0, seen.temp_c - 0.8 * seconds)
        await self._rest(seconds)

    async def said(self) -> tuple[list[str], Any]:
        *progress, end = [word async for word in self.house.service.calibrate(CalibrateRequest())]
        return [word.doing for word in progress], end


def test_a_warm_board_is_watched_until_it_has_cooled(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        warm = Warm(kit, tmp_path, 25.0)
        doing, end = await warm.said()
        assert isinstance(end, Calibrated)
        looks = doing.count("watching the board cool")
        # 23 K at 0.8 K a second, and then the while in which it stands still.
        assert looks == pytest.approx(23.0 / 0.8 + STILL_S, abs=3)
        assert warm.temp_c == COLD_C + 2.0
        assert "could not measure it: it cooled by 23.0 K in" in end.leakage_note
        assert end.leakage_source == "assumed"

    kit.run(run())


def test_it_is_watched_for_as_long_as_it_cools(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        warm = Warm(kit, tmp_path, 400.0)
        doing, _ = await warm.said()
        looks = doing.count("watching the board cool")
        assert looks == pytest.approx(398.0 / 0.8 + STILL_S, abs=3)

    kit.run(run())


def test_it_is_watched_no_longer_than_the_leakage_is_unknown(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        warm = Warm(kit, tmp_path, 400.0)
        warm.known_after = 3
        doing, end = await warm.said()
        assert doing.count("watching the board cool") == pytest.approx(3 * FIT_S, abs=2)
        assert end.leakage_source == "measured"
        assert "could not" not in end.leakage_note

    kit.run(run())


def test_a_board_that_stayed_cool_says_why_it_tells_nothing(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        warm = Warm(kit, tmp_path, 3.0)
        doing, end = await warm.said()
        assert isinstance(end, Calibrated)
        assert "watching the board cool" not in doing
        assert warm.refits == 1  # of what is known from elsewhere
        assert "work warmed it by 3.0 K only" in end.leakage_note

    kit.run(run())
