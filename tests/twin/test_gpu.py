"""A board's GPU draws, warms, shows and is held back like one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchlib.boards import load_boards
from plants import BOARDS, FakeLoad, parameters_of, plant_of, shape_of
from readings import Readings

from edge_rt.twin.plant import Conditions, PlantState
from edge_rt.twin.run import Twin
from edge_rt.twin.shape import Shape, draw

WITH_GPU = sorted(name for name, board in BOARDS.items() if board.gpu is not None)
OWN_RAIL = {  # the rail that carries most of it
    "jetson-agx-orin-64gb": "VDD_GPU_SOC",
    "jetson-agx-xavier": "GPU",
    "jetson-nano-4gb": "POM_5V_GPU",
    "jetson-thor-t5000": "VDD_GPU",
}


def rail_of(name: str) -> str:
    return OWN_RAIL.get(name, "VDD_CPU_GPU_CV")


def gpu_w(state: PlantState) -> float:
    assert state.gpu is not None
    return state.gpu.power_w


class Stage:
    """A twin of a board whose GPU is as busy as the test says."""

    def __init__(self, name: str, root: Path) -> None:
        self.load, self.root = FakeLoad(), root
        self.twin = Twin(BOARDS[name], root, self.load, 25.0, 1, (), self.load.clock)
        self.go(1)
        self.readings = Readings(root)

    def go(self, steps: int, gpu: float = 0.0) -> PlantState:
        self.load.gpu = gpu
        for _ in range(steps):
            state = self.twin.step()
            assert state is not None
        return state


# --- the plant


@pytest.mark.parametrize("name", WITH_GPU)
def test_all_of_its_power_is_in_the_total_and_most_on_its_own_rail(name: str) -> None:
    idle, busy = plant_of(name).step(1e-3, 1.0), plant_of(name).step(1e-3, 1.0, gpu_busy=1.0)
    added_w = busy.total_w - idle.total_w
    assert added_w == pytest.approx(gpu_w(busy), rel=1e-6)
    assert added_w > 1.0
    rail = rail_of(name)
    assert busy.rails_w[rail] - idle.rails_w[rail] >= 0.7 * added_w * 0.999
    total = BOARDS[name].totals[0].rails
    assert sum(busy.rails_w[label] for label in total) == pytest.approx(busy.total_w)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_without_work_for_it_a_board_is_as_if_it_had_none(name: str) -> None:
    plain = plant_of(name, gpu_w=0.0, gpu_leakage_w=0.0)
    for plant in (plain, with_gpu := plant_of(name)):
        for busy in (0.0, 2.0, 1.0):
            state = plant.step(1.0, busy)
        if plant is plain:
            first = state
    assert state.total_w == first.total_w
    assert state.temps_c == first.temps_c
    assert with_gpu.time_s == 3.0


def test_power_grows_with_work_and_faster_than_the_clock() -> None:
    name = "jetson-orin-nano-8gb"

    def switching_w(busy: float, limit_hz: float | None = None) -> float:
        plant = plant_of(name, gpu_leakage_w=0.0)
        return gpu_w(plant.step(1e-3, 0.0, gpu_busy=busy, gpu_limit_hz=limit_hz))

    assert switching_w(0.5) == pytest.approx(0.5 * switching_w(1.0))
    half = switching_w(1.0, 0.5 * shape_of(name).gpu_steps_hz[0])
    assert half < 0.5 * switching_w(1.0)
    assert switching_w(1.0, 1.0) == switching_w(1.0, shape_of(name).gpu_steps_hz[-1])
    assert switching_w(7.0) == switching_w(1.0)  # a share is no more than all


def test_it_leaks_with_heat_while_it_is_on_and_is_off_after_a_while_without_work() -> None:
    name = "jetson-orin-nano-8gb"
    known = parameters_of(name)
    leaks = []
    for ambient_c in (45.0, 45.0 + known.doubling_c):
        plant = plant_of(name, ambient_c=ambient_c, gpu_w=0.0)
        leaks.append(gpu_w(plant.step(1e-9, 0.0, gpu_busy=1.0)))
    assert leaks[0] == pytest.approx(known.gpu_leakage_w)
    assert leaks[1] == pytest.approx(2 * leaks[0], rel=1e-6)
    plant = plant_of(name)
    plant.step(1.0, 0.0, gpu_busy=1.0)
    waiting, off = plant.step(0.2, 0.0), plant.step(0.5, 0.0)
    assert gpu_w(waiting) > 0.0
    assert gpu_w(off) == 0.0


def test_its_heat_is_the_chip_s() -> None:
    name = "jetson-orin-nano-8gb"
    known = parameters_of(name, fan_gain=0.0)
    plant = plant_of(name, fan_gain=0.0)
    for _ in range(300):
        state = plant.step(100.0, 0.0, gpu_busy=0.5)
    assert state.chip_c - state.temps_c[1] == pytest.approx(
        known.resistances_c_per_w[0] * (state.total_w - known.static_w), abs=0.05
    )


def test_the_throttle_holds_it_back_like_the_processor() -> None:
    name = "jetson-orin-nano-8gb"
    plant, hot = plant_of(name, gpu_w=20.0), Conditions(75.0, fan_works=False)
    free = plant.step(0.1, 0.0, hot, gpu_busy=1.0)
    while plant.step(1.0, 0.0, hot, gpu_busy=1.0).throttle_state == 0:
        assert plant.time_s < 3600
    held = plant.step(5.0, 0.0, hot, gpu_busy=1.0)
    assert free.gpu is not None
    assert held.gpu is not None
    assert free.gpu.clock_hz == shape_of(name).gpu_steps_hz[0]
    assert held.gpu.clock_hz == held.gpu.cap_hz < free.gpu.clock_hz


def test_a_profile_s_own_gpu_is_simulated_too() -> None:
    board = load_boards()["generic-x86"]
    gpu = BOARDS["jetson-nano-4gb"].gpu
    shape = Shape.of(msgspec.structs.replace(board, gpu=gpu))
    assert shape.gpu_steps_hz[0] == 921e6
    assert draw(shape, 1).gpu_w > 1.0
    assert draw(shape_of("generic-x86"), 1).gpu_w == 0.0


# --- the files


@pytest.mark.parametrize("name", WITH_GPU)
def test_the_readers_see_its_rail_clock_and_load(tmp_path: Path, name: str) -> None:
    stage, shape = Stage(name, tmp_path / "board"), shape_of(name)
    device, rail = shape.prior.gpu.device, rail_of(name)
    idle = stage.readings.read()
    assert idle[device, "clock_hz"] == pytest.approx(shape.gpu_steps_hz[-1])
    assert idle[f"{device} max", "clock_hz"] == pytest.approx(shape.gpu_steps_hz[0])
    state = stage.go(30, 0.8)
    busy = stage.readings.read(3.0)
    assert busy[device, "clock_hz"] == pytest.approx(shape.gpu_steps_hz[0])
    assert busy[rail, "power_w"] - idle[rail, "power_w"] == pytest.approx(
        state.rails_w[rail] - idle[rail, "power_w"], abs=0.5
    )
    assert busy[rail, "power_w"] > idle[rail, "power_w"] + 1.0
    if shape.prior.gpu.tells_load:
        assert idle[device, "fraction"] == 0.0
        assert busy[device, "fraction"] == pytest.approx(0.8, abs=0.01)
    else:
        assert (device, "fraction") not in busy


def test_a_written_max_freq_holds_it_back_within_what_is_possible(tmp_path: Path) -> None:
    stage = Stage("jetson-orin-nano-8gb", tmp_path / "board")
    free = stage.go(5, 1.0)
    file = tmp_path / "board" / "sys" / "class" / "devfreq" / "17000000.gpu" / "max_freq"
    assert (file.with_name("available_frequencies").read_text()).split() == [
        "306000000",
        "408000000",
        "510000000",
        "612000000",
        "625000000",
    ]
    for written, allowed in (("408000000", 408e6), ("1", 306e6), ("99999999999", 625e6)):
        file.write_text(f"{written}\n")
        state = stage.go(2, 1.0)
        assert state.gpu is not None
        assert state.gpu.clock_hz == allowed
        assert int(file.read_text()) == allowed
        assert (state.total_w < free.total_w) is (allowed < 625e6)


def test_its_zone_follows_its_work(tmp_path: Path) -> None:
    stage = Stage("jetson-orin-nano-8gb", tmp_path / "board")
    stage.load.cores = 6.0
    state = stage.go(100)
    idle = stage.readings.read()["gpu-thermal", "temp_c"]
    assert idle < state.chip_c - 0.1
    stage.load.cores = 0.0
    state = stage.go(100, 1.0)
    assert stage.readings.read()["gpu-thermal", "temp_c"] == pytest.approx(state.chip_c, abs=0.05)


def test_thor_s_zone_is_there_while_its_gpu_is_on(tmp_path: Path) -> None:
    stage = Stage("jetson-thor-t5000", tmp_path / "board")
    key = ("gpu-thermal", "temp_c")
    assert key not in stage.readings.read()
    stage.go(3, 1.0)
    assert key in stage.readings.read()
    stage.go(10)
    assert key not in stage.readings.read()


def test_seconds_that_are_told_late_are_felt_later(tmp_path: Path) -> None:
    stage = Stage("jetson-orin-nano-8gb", tmp_path / "board")
    # 0.3 s in a step of 0.1 s
    states = [stage.go(1, 3.0), stage.go(1), stage.go(1), stage.go(1)]
    assert [state.gpu.busy for state in states if state.gpu] == pytest.approx([1, 1, 1, 0])
