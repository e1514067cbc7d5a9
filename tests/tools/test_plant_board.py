"""The second plant obeys physics, and knows nothing of the product's own models."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchlib.boards import load_boards
from benchlib.plant_board import PlantBoard
from benchlib.plant_engine import Pass, PlantEngine
from benchlib.plant_figures import draw
from benchlib.plant_kinds import AGX_ORIN, KINDS, ORIN_NANO, PI4, PI5, Kind
from benchlib.plant_load import FINE, NOBODY, QUIET, Others, Program, Weather, Work
from benchlib.plant_run import Run, Scene
from benchlib.plant_sensors import SupplySensor, Thermometer

from edge_rt.core.limits import Limits, Observation

TOOLS = Path(__file__).parents[2] / "tools"
ALL = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def work(kind: Kind, computing: float = 0.3, gpu: bool = False) -> list[tuple[float, Pass]]:
    """Return all cores at work, all the time."""
    cores = 1 if gpu else kind.cores
    return [(1.0, Pass(0.0, 1e9, cores, float(cores), gpu, computing, 1.0, 1, 0.0, 0))]


def run(
    board: PlantBoard,
    seconds: int,
    parts: list[tuple[float, Pass]],
    weather: Weather = FINE,
    others: Others = NOBODY,
) -> float:
    """Joules that came in as the board's parts drew them."""
    supplied_j = 0.0
    for _ in range(seconds):
        board.step(1.0, parts, others, weather)
        supplied_j += board.all_w
    return supplied_j


def test_no_file_of_the_plant_imports_the_twin_or_the_thermal_models() -> None:
    files = [f.stem for f in (TOOLS / "benchlib").glob("plant_*.py") if f.stem != "plant_leak"]
    assert len(files) >= 8
    program = (
        "import sys\n"
        + "".join(f"import benchlib.{name}\n" for name in files)
        + "known = ('edge_rt.twin', 'edge_rt.thermal', 'edge_rt.governor.power.model')\n"
        "print([name for name in sys.modules if name.startswith(known)])"
    )
    env = os.environ | {"PYTHONPATH": str(TOOLS)}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env)
    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")


@ALL
def test_all_that_a_board_draws_becomes_heat(kind: Kind) -> None:
    board = PlantBoard(draw(kind, 1), 25.0)
    stored_j = board.heat.stored_j
    supplied_j = run(board, 600, work(kind), others=Others(1.0, rail_w=0.2))
    gained_j = board.heat.stored_j - stored_j + board.heat.lost_j
    assert gained_j == pytest.approx(supplied_j, rel=1e-6)
    assert board.heat.lost_j > 0.0


@ALL
def test_at_rest_a_board_comes_near_to_what_owners_report_and_under_load_too(kind: Kind) -> None:
    board = PlantBoard(draw(kind, 0), 25.0)
    run(board, 1200, [])
    rest_w, rest_c = board.power_w, board.chip_c
    run(board, 1200, work(kind))
    assert 26.0 < rest_c < 50.0
    assert rest_c + 10.0 < board.chip_c < kind.trip_c
    assert 2.0 < board.power_w / rest_w < 12.0


def test_still_air_takes_more_heat_for_each_kelvin_the_hotter_the_board_is() -> None:
    def to_air_w_per_k(threads: int) -> float:
        board = PlantBoard(draw(PI4, 0), 25.0)
        parts = [(threads / PI4.cores, work(PI4)[0][1])]
        run(board, 4000, parts)
        return board.all_w / (board.heat.board_c - 25.0)

    assert to_air_w_per_k(3) > 1.08 * to_air_w_per_k(1)


def test_leakage_grows_with_temperature_and_with_the_cube_of_the_voltage() -> None:
    for seed in range(20):
        leak = draw(AGX_ORIN, seed).leak
        assert leak.watts(45.0, 1.0) == pytest.approx(leak.top_w)
        doubled = leak.watts(70.0, 1.0) / leak.watts(45.0, 1.0)
        assert 2.0 ** (25.0 / 27.0) < doubled < 2.0 ** (25.0 / 13.0)
        assert leak.watts(60.0, 0.5) == pytest.approx(leak.watts(60.0, 1.0) / 8.0)
        hot, cold = leak.growth(90.0) / leak.growth(70.0), leak.growth(50.0) / leak.growth(30.0)
        assert hot < cold  # no exponential of the temperature: it doubles ever more slowly


def test_voltage_is_flat_at_low_clocks_and_rises_ever_steeper() -> None:
    curve = draw(PI5, 3).curve
    assert curve.voltage(0.1) == curve.voltage(curve.knee) == curve.floor
    assert curve.voltage(1.0) == pytest.approx(1.0)
    middle = 0.5 * (curve.knee + 1.0)
    assert curve.voltage(middle) < 0.5 * (curve.floor + 1.0)


@pytest.mark.parametrize("kind", [PI5, ORIN_NANO], ids=["pi5", "nano"])
def test_a_fan_cools_and_a_dead_fan_or_a_closed_case_heats(kind: Kind) -> None:
    def settled_c(weather: Weather) -> float:
        board = PlantBoard(draw(kind, 0), 25.0)
        run(board, 1500, work(kind), weather)
        return board.chip_c

    working = settled_c(Weather(30.0))
    assert settled_c(Weather(30.0, fan_works=False)) > working + 5.0
    assert settled_c(Weather(30.0, shut=True)) > working + 5.0
    assert settled_c(Weather(40.0)) > working + 2.0


def test_a_board_that_is_too_hot_slows_down_and_draws_less() -> None:
    board = PlantBoard(draw(PI4, 0), 45.0)
    run(board, 200, work(PI4), Weather(45.0))
    before_w = board.power_w
    run(board, 1500, work(PI4), Weather(45.0))
    assert board.throttle > 0
    assert board.clock < 1.0
    assert board.power_w < before_w
    assert board.chip_c < PI4.trip_c + 1.0


@ALL
def test_reading_prompts_draws_more_than_decoding_by_what_was_drawn(kind: Kind) -> None:
    for seed in range(4):
        figures = draw(kind, seed)
        decoding, reading = PlantBoard(figures, 30.0), PlantBoard(figures, 30.0)
        run(decoding, 3, work(kind, 0.0))
        run(reading, 3, work(kind, 1.0))
        assert 1.0 <= figures.prompt_ratio <= 1.5
        drawn = reading.rails_w[0] / decoding.rails_w[0]
        assert 1.0 <= drawn <= figures.prompt_ratio + 1e-9


def test_a_lower_clock_saves_more_than_it_slows() -> None:
    figures = draw(PI5, 0)
    full, low = PlantBoard(figures, 30.0), PlantBoard(figures, 30.0)
    for board, clock in ((full, 1.0), (low, 0.75)):
        for _ in range(3):
            board.step(1.0, work(PI5), NOBODY, Weather(), clock)
    assert low.rails_w[0] < 0.75 * full.rails_w[0]
    assert low.clock == 0.75


def test_a_gpu_heats_its_own_die_by_the_time_of_its_passes() -> None:
    board = PlantBoard(draw(ORIN_NANO, 0, on_gpu=True), 25.0)
    run(board, 5, [])
    rest_w = board.rails_w[1]
    run(board, 60, work(ORIN_NANO, gpu=True))
    assert board.rails_w[1] > rest_w + 2.0
    assert board.heat.gpu_c > board.heat.die_c


def test_heat_on_no_rail_warms_the_board_and_no_sensor_shows_it() -> None:
    figures = draw(PI5, 0)
    bare, loaded = (PlantBoard(replace(figures, unseen_w=w), 25.0) for w in (0.0, 2.0))
    for board in (bare, loaded):
        run(board, 900, [])
    assert loaded.heat.board_c > bare.heat.board_c + 3.0
    assert loaded.power_w == pytest.approx(bare.power_w, abs=0.1)


def test_a_thermometer_follows_slowly_and_in_steps() -> None:
    figures = replace(draw(PI5, 0), zone_lag_s=0.8)
    zone = Thermometer(figures, 40.0, random.Random(0))
    zone.step(0.1, 60.0)
    zone.step(0.1, 60.0)
    assert zone.temp_c < 52.0
    for _ in range(100):
        zone.step(0.1, 60.0)
    assert zone.temp_c == pytest.approx(60.0, abs=1.0)
    steps = zone.temp_c / PI5.zone_step_c
    assert steps == pytest.approx(round(steps))


def readings(
    kind: Kind, powers_w: list[float], delay_s: float = 0.0, program: Program = QUIET
) -> list[float | None]:
    """Readings as a look after each tenth of a second sees them."""
    sensor = SupplySensor(draw(kind, 0), random.Random(0), delay_s)
    seen: list[float | None] = []
    for number, power_w in enumerate(powers_w):
        rails = [power_w / 3.0] * 3
        sensor.step(0.1, rails, power_w, program.fault_at(0.1 * number))
        seen.append(sensor.look())
    return seen


@ALL
def test_readings_come_late_and_are_right_in_the_mean(kind: Kind) -> None:
    period = round(kind.supply.period_s * 10)
    seen = readings(kind, [4.0] * 50 + [10.0] * 50)
    later = [value for value in seen[60 + 2 * period :] if value is not None]
    assert sum(later) / len(later) == pytest.approx(10.0, rel=0.02)
    assert seen[0] is None
    step = seen[49 : 51 + period]
    assert step[0] == pytest.approx(4.0, rel=0.06)
    assert any(value is not None and value < 9.5 for value in step)  # not at once


def test_a_slow_sensor_tells_the_same_until_it_is_read_again() -> None:
    kind = replace(ORIN_NANO, supply=replace(ORIN_NANO.supply, period_s=1.0))
    seen = readings(kind, [float(n) for n in range(50)])
    assert len(set(seen[20:50])) <= 4


@ALL
@pytest.mark.parametrize("delay_s", [0.3, 2.0])
def test_a_delayed_sensor_tells_what_another_one_told_that_long_ago(
    kind: Kind, delay_s: float
) -> None:
    powers_w = [2.0 + 0.2 * n for n in range(60)]
    late = round(10 * delay_s)
    assert readings(kind, powers_w, delay_s)[late:] == readings(kind, powers_w)[:-late]


@ALL
def test_a_frozen_sensor_repeats_a_reading_until_the_fault_ends(kind: Kind) -> None:
    program = Program(faults=((0.0, None), (2.0, "frozen"), (4.0, None)))
    seen = readings(kind, [4.0] * 25 + [10.0] * 40, program=program)
    assert len(set(seen[25:40])) == 1
    assert seen[39] == pytest.approx(4.0, rel=0.1)
    assert seen[-1] == pytest.approx(10.0, rel=0.1)


def test_a_missing_sensor_has_no_reading_and_no_zero() -> None:
    program = Program(faults=((0.0, None), (2.0, "missing"), (3.0, None)))
    seen = readings(PI5, [4.0] * 40, program=program)
    assert [value is None for value in seen[20:30]] == [True] * 10
    assert None not in seen[30:]


def test_a_jumping_sensor_is_right_more_often_than_not() -> None:
    program = Program(faults=((0.0, None), (2.0, "jumping")))
    seen = [value or 0.0 for value in readings(ORIN_NANO, [4.0] * 200, program=program)]
    assert all(abs(value - 4.0) < 0.3 for value in seen[10:20])
    far = [value for value in seen[20:] if abs(value - 4.0) > 1.0]
    assert 0.3 * 180 < len(far) < 0.7 * 180  # each reading counts in two means
    assert min(far) < 3.0 < 5.0 < max(far)


def test_requests_draw_by_what_they_ask_for_and_the_same_in_the_mean() -> None:
    def tolls(varied: float) -> set[float]:
        engine = PlantEngine(draw(PI5, 0), Work(2, 5.0, 20.0), 0, 0.0, on_gpu=False, varied=varied)
        engine.run(60.0)
        return {one.toll for _, one in engine.parts(0.0, 60.0)}

    assert tolls(0.0) == {1.0}
    found = tolls(0.3)
    assert 0.7 <= min(found) < 0.9 < 1.1 < max(found) <= 1.3
    heavy, light = ([(1.0, replace(work(PI5)[0][1], toll=toll))] for toll in (1.3, 0.7))
    boards = [PlantBoard(draw(PI5, 0), 30.0) for _ in range(3)]
    for board, parts in zip(boards, (heavy, work(PI5), light), strict=True):
        run(board, 1, parts)
    powers = [board.power_w for board in boards]
    assert powers[0] > powers[1] > powers[2]
    assert powers[0] - powers[1] == pytest.approx(powers[1] - powers[2], rel=0.05)


def test_a_deaf_clock_is_read_back_as_asked_and_stays_at_the_top() -> None:
    name = PI5.profile
    scene = Scene(draw(PI5, 0), load_boards()[name], Work(1, 50.0, 50.0), 0, 8.0)
    seen: list[Observation] = []

    def control(one: Observation) -> Limits:
        seen.append(one)
        return Limits(4, cpu_hz=PI5.steps_hz[0])

    slow, deaf = Run(scene, control), Run(replace(scene, deaf_clock=True), control)
    powers = [sum(one.finish().power_w) for one in (slow, deaf)]
    assert {one.cpu_hz for one in seen[1:40] + seen[41:]} == {PI5.steps_hz[0]}
    assert deaf.board.clock == 1.0 > slow.board.clock
    assert powers[1] > 1.2 * powers[0]
