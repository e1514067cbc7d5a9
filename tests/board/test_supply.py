"""The supply is a total that is known for one, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from benchlib.boards import load_boards

from edge_rt.board.integral import Energy
from edge_rt.board.readers.base import PENDING, BaseReader, Channel, Kind, Quality
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.supply import SupplyRails, find_supply
from edge_rt.config.board import Board, Rail, Total
from edge_rt.config.schema import WallMeter
from edge_rt.testing.board import FakeClock

BOARDS = load_boards()


class Rails(BaseReader):
    """Gives each rail the power it is told, or why there is none."""

    def __init__(
        self,
        name: str,
        rails: Sequence[str],
        period_s: float = 0.1,
        quality: Quality = "measured",
        counter: bool = False,
    ) -> None:
        kinds: list[Kind] = ["power_w", "energy_j"] if counter else ["power_w"]
        channels = [Channel(r, k, "told", quality) for k in kinds for r in rails]
        super().__init__(name, channels, period_s)
        self.told: dict[str, float | str] = dict.fromkeys(rails, 2.0)

    def _read(self) -> None:
        for index, channel in enumerate(self.channels):
            told = self.told[channel.name]
            if isinstance(told, str):
                self._fail(index, told)
            else:
                self._set(index, told)


def read(*readers: Rails, times: int = 1) -> BoardSampler:
    clock = FakeClock()
    sampler = BoardSampler(readers, clock)
    for _ in range(times):
        sampler.step(clock.now)
        clock.now += 0.1
    return sampler


def rails_of(board: str | None, *readers: Rails) -> tuple[str, ...] | None:
    supply = find_supply(None if board is None else BOARDS[board], read(*readers))
    return None if supply is None else supply.rails


def test_the_profiles_total_counts_no_rail_twice() -> None:
    orin = Rails("ina3221", ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"])
    assert rails_of("jetson-orin-nano-8gb", orin) == ("VDD_IN",)
    agx = Rails("ina3221", ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"])
    total = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
    assert rails_of("jetson-agx-orin-64gb", agx) == total


def test_six_rails_without_a_total_are_added_up() -> None:
    rails = ["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"]
    module = Rails("ina3221", rails)
    supply = find_supply(BOARDS["jetson-agx-xavier"], read(module))
    assert supply is not None
    assert (supply.power_w(), supply.covers) == (12.0, "module")
    module.told["CV"] = "EIO"
    assert rails_of("jetson-agx-xavier", module) is None


@pytest.mark.parametrize("board", ["generic-x86", None])
@pytest.mark.parametrize(
    ("rails", "total"),
    [
        (["package-0", "package-0/core", "package-1", "package-1/core"], (0, 2)),
        (["package-0", "psys", "package-1", "package-2", "package-3"], (0, 2, 3, 4)),
        (["package-0", "mmio/package-0", "mmio/package-1"], (0,)),
    ],
)
def test_all_sockets_count(board: str | None, rails: list[str], total: tuple[int, ...]) -> None:
    sockets = Rails("rapl", rails, counter=True)
    assert rails_of(board, sockets) == tuple(rails[place] for place in total)


def test_the_memory_of_all_sockets_counts() -> None:
    rails = ["package-0", "package-0/dram", "package-1", "package-1/dram"]
    assert set(rails_of("generic-x86", Rails("rapl", rails)) or ()) == set(rails)


def test_the_first_total_that_can_be_read_counts() -> None:
    module = ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"]
    board = Rails("ina238", ["VIN"])
    assert rails_of("jetson-thor-t5000", Rails("ina3221", module), board) == ("VIN",)
    board.told["VIN"] = "EIO"
    assert rails_of("jetson-thor-t5000", Rails("ina3221", module), board) == tuple(module)


def test_a_total_that_comes_with_the_second_read_counts_already() -> None:
    package = Rails("rapl", ["package-0", "package-0/core"], counter=True)
    package.told["package-0"] = PENDING
    assert rails_of("generic-x86", package) == ("package-0",)


@pytest.mark.parametrize("board", [*BOARDS, None])
def test_without_rails_the_model_is_taken_for_the_board(board: str | None) -> None:
    denied = Rails("rapl", ["package-0"], counter=True)
    denied.told["package-0"] = "only root may read it"
    modelled = Rails("modelled", ["board"], 0.5, "modelled", counter=True)
    supply = find_supply(None if board is None else BOARDS[board], read(denied, modelled))
    assert supply is not None
    assert (supply.rails, supply.covers, supply.quality) == (("board",), "board", "modelled")
    assert supply.readers == (modelled,)


@pytest.mark.parametrize(
    ("rails", "total", "covers"),
    [
        (["VDD_CPU", "VDD_IN"], "VDD_IN", "module"),
        (["VDD_CORE", "HDMI", "PMIC"], "PMIC", "regulators"),
        (["package-0", "package-0/core", "psys"], "package-0", "package"),
        (["VIN"], "VIN", "board"),
    ],
)
def test_on_an_unknown_board_only_what_is_a_total_by_its_name_counts(
    rails: list[str], total: str, covers: str
) -> None:
    supply = find_supply(None, read(Rails("other", rails)))
    assert supply is not None
    assert (supply.rails, supply.covers, supply.quality) == ((total,), covers, "measured")


def test_in_doubt_there_is_none() -> None:
    assert rails_of(None, Rails("ina3221", ["VDD_ONE", "VDD_TWO"])) is None
    assert rails_of(None, Rails("rapl", ["package-1", "package-0/core"])) is None
    assert rails_of(None) is None
    dead = Rails("ina3221", ["VDD_IN"])
    dead.told["VDD_IN"] = "EIO"
    assert rails_of("jetson-orin-nano-8gb", dead) is None


@pytest.mark.parametrize("board", ["jetson-orin-nano-8gb", "generic-arm64", None])
def test_a_lone_rail_may_be_any_part_of_the_board(board: str | None) -> None:
    assert rails_of(board, Rails("ina3221", ["VDD_SOC"])) is None


def board(*rails: str) -> Board:
    known = {name: Rail(source=("seen",)) for name in rails}
    total = Total(rails=rails, covers="module", source=("seen",))
    return Board(id="own", name="own", rails=known, totals=(total,))


def supply_of(sampler: BoardSampler, *rails: str) -> SupplyRails:
    supply = find_supply(board(*rails), sampler)
    assert supply is not None
    return supply


def test_energy_is_the_sum_over_what_all_rails_cover() -> None:
    one, two = Rails("one", ["A"]), Rails("two", ["B"])
    clock = FakeClock()
    sampler = BoardSampler([one, two], clock)
    sampler.step(clock.now)
    supply = supply_of(sampler, "A", "B")
    assert supply.energy() == Energy()
    for beat in range(10):
        clock.now += 0.1
        two.told["B"] = "EAGAIN" if beat in (3, 4) else 3.0
        sampler.step(clock.now)
    total = supply.energy()
    first_j = (2.0 + 2.5) * 0.1  # B rises to 3 W
    assert total.energy_j == pytest.approx(first_j + 5.0 * 0.6)
    assert total.covered_s == sampler.energies()["B"].covered_s == pytest.approx(0.7)
    assert total.missing_s == pytest.approx(0.3)


def test_joules_never_come_without_their_seconds() -> None:
    rails, clock = Rails("ina3221", ["A", "B", "C"]), FakeClock()
    sampler = BoardSampler([rails], clock)
    sampler.step(clock.now)
    supply = supply_of(sampler, "A", "B", "C")
    for beat in range(100):
        rails.told["C"] = "EAGAIN" if 20 <= beat < 80 else 2.0
        clock.now += 0.1
        sampler.step(clock.now)
        total = supply.energy()
        assert total.energy_j == pytest.approx(6.0 * total.covered_s)
    assert (total.covered_s, total.missing_s) == (pytest.approx(3.9), pytest.approx(6.1))


def test_counters_of_all_rails_are_exact_over_a_gap() -> None:
    packages, clock = Rails("rapl", ["package-0", "package-1"], counter=True), FakeClock()
    sampler = BoardSampler([packages], clock)
    packages.told = {"package-0": 0.0, "package-1": 0.0}
    sampler.step(clock.now)
    supply = supply_of(sampler, "package-0", "package-1")
    for beat in range(1, 31):
        clock.now += 0.1
        lost = 10 <= beat < 20
        packages.told = {"package-0": 3.0 * beat, "package-1": "EIO" if lost else 4.0 * beat}
        sampler.step(clock.now)
    assert supply.energy().energy_j == pytest.approx(7.0 * 30)
    assert supply.energy().covered_s == pytest.approx(3.0)
    assert supply.energy().missing_s == 0.0


def test_power_is_the_sum_now_or_missing() -> None:
    rails = Rails("ina3221", ["A", "B"])
    clock = FakeClock()
    sampler = BoardSampler([rails], clock)
    sampler.step(clock.now)
    supply = find_supply(board("A", "B"), sampler)
    assert supply is not None
    assert supply.power_w() == 4.0
    rails.told["B"] = "EAGAIN"
    clock.now += 0.1
    sampler.step(clock.now)
    assert supply.power_w() is None
    rails.told["B"] = 5.0
    clock.now += 0.1
    sampler.step(clock.now)
    assert supply.power_w() == 7.0
    clock.now += 10.0
    assert supply.power_w() is None


@pytest.mark.parametrize(
    ("reader", "resolution_s"),
    [
        (Rails("rapl", ["package-0"], counter=True), 0.02),
        (Rails("modelled", ["board"], 0.5, "modelled", counter=True), 0.2),
        (Rails("pi-pmic", ["PMIC"], 0.25), 0.25),
        (Rails("ina3221", ["VDD_IN"], 0.1), 0.1),
    ],
)
def test_resolution_is_what_the_reader_can_tell(reader: Rails, resolution_s: float) -> None:
    supply = find_supply(None, read(reader))
    assert supply is not None
    assert supply.resolution_s == pytest.approx(resolution_s)


def test_slow_transfers_limit_the_resolution() -> None:
    class Slow(Rails):
        clock: FakeClock

        def _read(self) -> None:
            super()._read()
            self.clock.now += 0.7

    slow, Slow.clock = Slow("ina3221", ["VDD_IN"], 0.1), FakeClock()
    sampler = BoardSampler([slow], Slow.clock)
    for _ in range(4):
        sampler.step(Slow.clock.now)
    supply = find_supply(None, sampler)
    assert supply is not None
    assert supply.resolution_s == pytest.approx(0.7)


def test_the_slowest_rail_limits_the_resolution() -> None:
    slow, fast = Rails("slow", ["A"], 0.5), Rails("fast", ["B"], 0.1)
    supply = find_supply(board("A", "B"), read(fast, slow))
    assert supply is not None
    assert supply.resolution_s == 0.5
    assert supply.readers == (fast, slow)


def test_a_meter_corrects_power_and_joules() -> None:
    rails = Rails("ina3221", ["VDD_IN"])
    sampler = read(rails)
    supply = find_supply(BOARDS["jetson-orin-nano-8gb"], sampler)
    assert supply is not None
    supply.meter = WallMeter(scale=1.1, offset_w=1.5)
    assert supply.power_w() == pytest.approx(1.1 * 2.0 + 1.5)
    sampler.step(100.1)
    sampler.step(100.2)
    energy = supply.energy()
    assert energy.covered_s > 0.0
    assert energy.energy_j == pytest.approx(3.7 * energy.covered_s)
