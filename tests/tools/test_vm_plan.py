"""Both sides mean the same checks, and a check cannot pass on nothing."""

from __future__ import annotations

import pytest
from vm.guest import check, ina3221, others
from vm.guest.check import CHECKS
from vm.guest.stub import ALL_ON, Figures
from vm.plan import PLAN

from edge_rt.board.readers import ina3221 as registers
from edge_rt.board.readers.base import BaseReader, Channel


class Told(BaseReader):
    """Gives what it is told."""

    def __init__(self, values: list[float | None], reason: str = "because") -> None:
        channels = [Channel(str(n), "power_w", "told") for n in range(len(values))]
        super().__init__("told", channels, 0.1)
        self._told, self._reason = values, reason

    def _read(self) -> None:
        for index, value in enumerate(self._told):
            if value is None:
                self._fail(index, self._reason)
            else:
                self._set(index, value)


def test_the_guest_knows_every_check_of_the_plan_and_no_other() -> None:
    assert {check.__module__ for check in CHECKS.values()} == {ina3221.__name__, others.__name__}
    assert tuple(CHECKS) == PLAN
    assert len(set(PLAN)) == len(PLAN)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "because"),
        ([None] * 8, "because"),
        ([0.0] * 9, "because"),
        ([None] * 8 + [1.0], "because"),
        ([None] * 9, "why not"),
    ],
)
def test_silence_is_all_channels_for_the_given_reason(
    values: list[float | None], reason: str
) -> None:
    with pytest.raises(AssertionError):
        check.expect_silence(Told(values, reason), range(9), "because")


def test_silence_is_recognised() -> None:
    check.expect_silence(Told([None] * 9), range(9), "because")
    check.expect_silence(Told([1.0, None] + [1.0] * 7), (1,), "because")


@pytest.mark.parametrize("values", [[], [1.0] * 8, [1.0] * 8 + [None]])
def test_figures_are_all_channels(values: list[float | None]) -> None:
    with pytest.raises(AssertionError):
        check.values_of(Told(values))


def test_figures_apart_are_told() -> None:
    check.expect_same("x", [1.0, 2.0], [1.0, 2.01], 0.02)
    with pytest.raises(AssertionError, match="x"):
        check.expect_same("x", [1.0, 2.0], [1.0, 2.01], 0.005)
    with pytest.raises(ValueError, match="zip"):
        check.expect_same("x", [1.0], [1.0, 2.0], 0.1)


@pytest.mark.parametrize("figures", [*ina3221.SETS, ina3221.REVERSE])
def test_sets_are_whole_steps_and_their_words_mean_them(figures: Figures) -> None:
    words = figures.words()
    for channel in (1, 2, 3):
        bus, shunt = figures.bus_mv[channel - 1], figures.shunt_uv[channel - 1]
        assert registers.steps(words[2 * channel]) * 8 == bus
        assert registers.steps(words[2 * channel - 1]) * 40 == shunt
    assert all(0 <= word <= 0xFFFF for word in words.values())


def test_the_sets_reach_from_end_to_end() -> None:
    shunts = {uv // 40 for some in (*ina3221.SETS, ina3221.REVERSE) for uv in some.shunt_uv}
    assert max(shunts) in range(4090, 4095)  # 4095 is refused: the end of the range
    assert min(shunts) <= -2500
    assert {0, 26000 // 8} <= {mv // 8 for figures in ina3221.SETS for mv in figures.bus_mv}
    assert any(figures.noise for figures in ina3221.SETS)
    assert registers.continuous(ALL_ON)
