"""The daemon's code recognises each simulated board and reads what the plant says."""

from __future__ import annotations

from pathlib import Path

import pytest
from plants import BOARDS, FakeLoad, shape_of
from readings import Readings

from edge_rt.board.detection import detect
from edge_rt.board.readers.base import PENDING
from edge_rt.config.board import Rail
from edge_rt.core.errors import StoreError
from edge_rt.twin.filesystem import Folders
from edge_rt.twin.plant import PlantState
from edge_rt.twin.run import Event, Twin


class Stage:
    """A twin of a board, its load, and the readers of its tree."""

    def __init__(self, name: str, root: Path, *events: str, seed: int = 1) -> None:
        self.load = FakeLoad()
        script = [Event.parse(event) for event in events]
        clock = self.load.clock
        self.twin = Twin(BOARDS[name], root, self.load, 25.0, seed, script, clock)
        self.state = self.go(1)
        self.readings = Readings(root)

    def go(self, steps: int, cores: float = 0.0) -> PlantState:
        self.load.cores = cores
        for _ in range(steps):
            state = self.twin.step()
            assert state is not None
            self.state = state
        return self.state


def step_w(rail: Rail, state: PlantState, label: str) -> float:
    """Return what one step of the chip's voltage and current means."""
    volts = state.voltages_v[label]
    if rail.chip != "ina3221":
        return 1e-3 * (volts + state.rails_w[label] / volts)
    amps_step = 40e-6 / (rail.shunt_ohm or 0.005)
    return amps_step * volts + 8e-3 * state.rails_w[label] / volts


@pytest.mark.parametrize("name", BOARDS)
def test_detection_recognises_the_board(tmp_path: Path, name: str) -> None:
    Stage(name, tmp_path / "board")
    found = detect(BOARDS, tmp_path / "board")
    assert found is not None
    assert found.id == name
    assert found.confidence == ("generic" if name.startswith("generic") else "exact")


@pytest.mark.parametrize("name", BOARDS)
def test_the_readers_see_the_watts_and_degrees_of_the_plant(tmp_path: Path, name: str) -> None:
    stage = Stage(name, tmp_path / "board")
    for cores in (0.0, 1.0, 3.5):
        state = stage.go(20, cores)
        seen = stage.readings.read(2.0)
        for label, rail in BOARDS[name].rails.items():
            if rail.chip != "rapl":
                tolerance = step_w(rail, state, label)
                assert seen[label, "power_w"] == pytest.approx(state.rails_w[label], abs=tolerance)
        zone = next(
            n for n in ("cpu-thermal", "CPU-therm", "x86_pkg_temp") if (n, "temp_c") in seen
        )
        assert seen[zone, "temp_c"] == pytest.approx(
            state.chip_c, abs=shape_of(name).prior.zone_step_c
        )
        assert seen["policy0", "clock_hz"] == pytest.approx(state.clocks_hz[0], abs=1e3)


@pytest.mark.parametrize("name", BOARDS)
def test_every_channel_but_those_of_gated_zones_gives_a_figure(tmp_path: Path, name: str) -> None:
    stage = Stage(name, tmp_path / "board")
    for _ in range(3):
        stage.go(10, 2.0)
        stage.readings.read(1.0)
    gated = {n for n, zone in BOARDS[name].thermal.zones.items() if zone.gated}
    assert set(stage.readings.errors()) == gated
    pending = [r.name for r in stage.readings.readers if PENDING in r.errors]
    assert pending == []


def test_rapl_counts_the_energy_of_the_plant(tmp_path: Path) -> None:
    stage = Stage("generic-x86", tmp_path / "board")
    first = stage.readings.read()
    before = dict(stage.state.energies_j)
    state = stage.go(50, 2.0)
    second = stage.readings.read(5.0)
    for label in BOARDS["generic-x86"].rails:
        counted = second[label, "energy_j"] - first[label, "energy_j"]
        assert counted == pytest.approx(state.energies_j[label] - before[label], abs=2e-6)
    assert second["package-0", "power_w"] == pytest.approx(state.rails_w["package-0"], rel=0.1)
    assert second["package-0", "power_w"] > second["package-0/core", "power_w"]


def test_the_pi_s_total_is_the_plant_s(tmp_path: Path) -> None:
    stage = Stage("raspberry-pi-5", tmp_path / "board")
    state = stage.go(31, 4.0)
    assert stage.readings.read()["PMIC", "power_w"] == pytest.approx(state.total_w, rel=1e-3)


def test_a_pi_4_has_no_power_sensor_but_a_load_to_model_it_from(tmp_path: Path) -> None:
    stage = Stage("raspberry-pi-4b", tmp_path / "board")
    stage.readings.read()
    stage.go(50, 2.0)
    seen = stage.readings.read(5.0)
    assert seen["board", "power_w"] == pytest.approx(4.0, rel=0.02)
    assert seen["cpu", "fraction"] == pytest.approx(0.5, rel=0.02)


def test_boards_have_their_trip_points(tmp_path: Path) -> None:
    def trips(name: str) -> dict[str, float]:
        stage = Stage(name, tmp_path / name)
        thermal = next(r for r in stage.readings.readers if r.name == "thermal")
        zone = next(z for z in thermal.zones if z.name in ("cpu-thermal", "CPU-therm"))  # type: ignore[attr-defined]
        return {trip.kind: trip.temp_c for trip in reversed(zone.trips)}

    orin = trips("jetson-orin-nano-8gb")
    assert (orin["passive"], orin["hot"], orin["critical"]) == (95.0, 99.0, 104.5)
    pi = trips("raspberry-pi-5")
    assert "passive" not in pi
    assert (pi["active"], pi["critical"]) == (50.0, 110.0)


def test_throttling_shows_as_it_does_on_a_jetson(tmp_path: Path) -> None:
    stage = Stage("jetson-nano-4gb", tmp_path / "board", "ambient@1=90")
    stage.load.step_s = 1.0
    while stage.go(1, 4.0).throttle_state == 0:
        assert stage.state.time_s < 3600
    seen = stage.readings.read()
    assert seen["policy0 max", "clock_hz"] == pytest.approx(stage.state.cap_hz)
    assert stage.state.cap_hz < shape_of("jetson-nano-4gb").top_hz
    assert seen["cpufreq-cpu0", "fraction"] > 0


def test_throttling_shows_as_it_does_on_a_pi(tmp_path: Path) -> None:
    stage = Stage("raspberry-pi-5", tmp_path / "board", "ambient@1+3600=70", "fan-failure@1+3600")
    stage.load.step_s = 1.0
    assert stage.readings.read()["frequency_capped", "flag"] == 0.0
    while stage.go(1, 4.0).throttle_state == 0:
        assert stage.state.time_s < 3600
    seen = stage.readings.read()
    assert seen["frequency_capped", "flag"] == 1.0
    assert seen["soft_temperature_limit", "flag"] == 1.0
    assert seen["policy0 max", "clock_hz"] == 2.4e9
    stage.load.step_s = 10.0
    while stage.go(1).throttle_state > 0:
        assert stage.state.time_s < 9000
    seen = stage.readings.read()
    assert seen["frequency_capped", "flag"] == 0.0
    assert seen["frequency_capped_occurred", "flag"] == 1.0


def test_a_governor_may_turn_the_clock_down_and_up_again(tmp_path: Path) -> None:
    stage = Stage("raspberry-pi-5", tmp_path / "board")
    file = tmp_path / "board/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    full = stage.go(5, 4.0)
    file.write_text("1500000\n")
    held = stage.go(5, 4.0)
    assert int(file.read_text()) == 1_500_000
    assert held.clocks_hz == (1.5e9,)
    assert held.total_w < full.total_w
    file.write_text("9999999\n")
    assert stage.go(2, 4.0).clocks_hz == (2.4e9,)
    assert int(file.read_text()) == 2_400_000


def test_an_undervoltage_shows_in_flag_alarm_and_supply(tmp_path: Path) -> None:
    stage = Stage("raspberry-pi-5", tmp_path / "board", "undervoltage@1+2")
    assert stage.readings.read()["under_voltage", "flag"] == 0.0
    stage.go(15, 1.0)
    seen = stage.readings.read()
    assert seen["under_voltage", "flag"] == seen["under_voltage_alarm", "flag"] == 1.0
    assert seen["EXT5V", "voltage_v"] < 4.63
    stage.go(30)
    seen = stage.readings.read()
    assert (seen["under_voltage", "flag"], seen["under_voltage_occurred", "flag"]) == (0.0, 1.0)
    assert seen["EXT5V", "voltage_v"] > 4.8


def test_a_failed_fan_is_driven_and_stands_still(tmp_path: Path) -> None:
    stage = Stage("jetson-orin-nano-8gb", tmp_path / "board", "ambient@0=60", "fan-failure@500")
    stage.load.step_s = 1.0
    stage.go(400, 6.0)
    good = stage.readings.read()
    assert good["pwmfan", "fraction"] > 0
    assert good["pwm_tach", "rpm"] > 0
    stage.go(105, 6.0)
    bad = stage.readings.read()
    assert bad["pwmfan", "fraction"] > 0
    assert bad["pwm_tach", "rpm"] == 0


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(StoreError, match="not empty"):
        Folders(tmp_path)
    assert (tmp_path / "precious").exists()


def test_a_former_twin_s_tree_is_replaced_and_removed_at_the_end(tmp_path: Path) -> None:
    Stage("raspberry-pi-5", tmp_path)
    stage = Stage("jetson-nano-4gb", tmp_path)
    assert not list((tmp_path / "dev").iterdir())
    stage.twin.close()
    assert list(tmp_path.iterdir()) == []
