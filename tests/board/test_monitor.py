"""The same daemon feels every board: the right total, no guess, and what comes late."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from trees import BOARDS

from edge_rt.board.monitor import BoardMonitor, Metered, look
from edge_rt.board.profile import choose
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.config.paths import Paths
from edge_rt.core.reports.board import BoardReport
from edge_rt.testing.board import FakeBoard

WATTS = {  # profile and tree -> rails of the total, what they cover, watts
    ("jetson-orin-nano-8gb", "orin-nano"): (["VDD_IN"], "module", 5.016 * 1.240),
    ("jetson-agx-orin-64gb", "agx-orin"): (
        ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
        "module",
        19.0 * 0.5 + 5.0 * 0.8,  # and not the memory's rail, which hangs below the last
    ),
    ("jetson-thor-t5000", "thor"): (["VIN"], "board", 20.0),
    ("jetson-xavier-nx", "xavier-nx"): (["VDD_IN"], "module", 5.032 * 0.9),
    ("jetson-xavier-nx", "xavier-nx-jp4"): (["VDD_IN"], "module", 5.032 * 0.9),
    ("jetson-nano-4gb", "nano"): (["POM_5V_IN"], "module", 5.008 * 0.56),
}


@contextmanager
def opened(tree: FakeBoard, board: str | None = None) -> Iterator[BoardMonitor]:
    """Senses on a tree, read at least once."""
    senses = BoardMonitor(tree.proc.parent, board, Paths.system())
    senses.open()
    try:
        yield senses
    finally:
        senses.close()


def test_a_simulated_board_is_named_before_and_after_the_first_look(
    tree: FakeBoard, tmp_path: Path
) -> None:
    BOARDS["pi5"](tree)
    tree.write(tree.proc / "device-tree", {"model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    senses = BoardMonitor(tree.proc.parent, None, Paths.system())
    assert senses.simulated == "raspberry-pi-5"
    senses.open()
    senses.close()
    assert senses.simulated == "raspberry-pi-5"
    named = BoardMonitor(tmp_path / "empty", "jetson-orin-nano-8gb", Paths.system())
    assert named.simulated == "jetson-orin-nano-8gb"
    assert BoardMonitor(tmp_path / "empty", None, Paths.system()).simulated == "unknown"
    assert BoardMonitor(Path("/"), "raspberry-pi-5", Paths.system()).simulated is None


@pytest.mark.parametrize(
    ("root", "board", "gpu"),
    [
        ("/nowhere", "jetson-orin-nano-8gb", True),
        ("/nowhere", "raspberry-pi-5", False),
        ("/nowhere", None, False),
        ("/", "jetson-orin-nano-8gb", False),
    ],
)
def test_only_simulated_boards_have_simulated_gpus(root: str, board: str | None, gpu: bool) -> None:
    assert BoardMonitor(Path(root), board, Paths.system()).gpu_simulated is gpu


@pytest.mark.parametrize(("board", "kind"), WATTS)
def test_the_supply_is_the_boards_total(tree: FakeBoard, board: str, kind: str) -> None:
    BOARDS[kind](tree)
    rails, covers, watts = WATTS[board, kind]
    with opened(tree, board) as senses:
        supply = senses.report(1.5).supply
    assert supply is not None
    assert (supply.rails, supply.covers, supply.idle_w) == (rails, covers, 1.5)
    assert supply.power_w == pytest.approx(watts, abs=1e-3)


def test_a_board_without_a_power_sensor_is_modelled_and_says_so(tree: FakeBoard) -> None:
    BOARDS["pi4"](tree)
    with opened(tree, "raspberry-pi-4b") as senses:
        supply = senses.report().supply
    assert supply is not None
    assert (supply.covers, supply.quality) == ("board", "modelled")


@pytest.mark.parametrize("kind", BOARDS)
def test_any_board_can_be_told_of_without_a_profile(tree: FakeBoard, kind: str) -> None:
    BOARDS[kind](tree)
    with opened(tree) as senses:
        report = senses.report()
    again = msgspec.json.decode(msgspec.json.encode(report), type=BoardReport)
    assert again == report
    assert report.board is None
    assert report.simulated
    assert all(channel.quality == "modelled" for channel in report.channels)
    assert report.channels


def test_a_rail_that_is_part_of_another_is_no_total(tree: FakeBoard) -> None:
    tree.ina3221("1-0040", [("VDD_CPU_GPU_CV", 5000, 320), ("VDD_SOC", 5008, 296)])
    with opened(tree, "jetson-orin-nano-8gb") as senses:
        assert senses.report().supply is None


def test_the_hottest_zone_counts_and_not_one_that_means_nothing(tree: FakeBoard) -> None:
    tree.zone("AO-therm", 38_000)
    tree.zone("CPU-therm", 41_000)
    tree.zone("PMIC-Die", 100_000)  # always
    with opened(tree, "jetson-xavier-nx") as senses:
        assert senses.temp_c == pytest.approx(41.0)
        assert senses.report().temp_c == pytest.approx(41.0)


def test_what_holds_the_board_back_is_told(tree: FakeBoard) -> None:
    BOARDS["orin-nano"](tree)
    tree.cooling("thermal-cpufreq-0", 2, 5)
    with opened(tree) as senses:
        assert senses.report().throttled == ["thermal-cpufreq-0"]  # and not the fan


def test_flags_that_are_over_do_not_hold_it_back(tree: FakeBoard) -> None:
    BOARDS["pi5"](tree)
    with opened(tree) as senses:
        told = senses.report().throttled
    assert told is not None
    assert set(told) == {"under_voltage", "throttled", "under_voltage_alarm"}


def test_a_board_that_tells_no_such_thing_has_no_answer(tree: FakeBoard) -> None:
    tree.zone("acpitz", 30_000)
    with opened(tree) as senses:
        assert senses.report().throttled is None


def test_a_driver_that_comes_late_is_found(tree: FakeBoard) -> None:
    tree.zone("cpu-thermal", 40_000)
    with opened(tree, "jetson-orin-nano-8gb") as senses:
        assert senses.report().supply is None
        assert not senses.reopen()
        tree.ina3221("1-0040", [("VDD_IN", 5000, 1000)])
        assert senses.reopen()
        supply = senses.report().supply
        assert supply is not None
        assert supply.power_w == pytest.approx(5.0)
        assert not senses.reopen()


class Board:
    """Senses on a tree whose readers are read by hand, each second of a clock of their own."""

    def __init__(self, tree: FakeBoard, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.samplers: list[BoardSampler] = []
        monkeypatch.setattr("edge_rt.board.monitor.SamplerThread", self._thread)
        paths = Paths.system()
        self.senses = BoardMonitor(tree.proc.parent, profile, paths, clock=lambda: self.now)
        self.senses.open()

    def go_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.samplers[-1].step(self.now)

    @property
    def supply(self) -> tuple[str, tuple[str, ...], float | None] | None:
        supply = self.senses.supply
        return None if supply is None else (supply.quality, supply.rails, supply.power_w())

    def _thread(self, sampler: BoardSampler, clock: Callable[[], float]) -> Any:
        self.samplers.append(sampler)
        return SimpleNamespace(start=lambda: None, stop=sampler.close)


def test_a_rail_that_was_silent_at_the_start_makes_the_supply_later(
    tree: FakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.zone("cpu-thermal", 40_000)
    chip = tree.ina3221("1-0040", [("VDD_IN", 5000, 1000), ("VDD_SOC", 5000, 200)])
    (chip / "curr1_input").write_text("")
    board = Board(tree, "jetson-orin-nano-8gb", monkeypatch)
    assert board.supply is None
    (chip / "curr1_input").write_text("1000\n")
    board.go_by(1)
    assert not board.senses.complete
    assert board.senses.reopen()
    assert board.supply == ("measured", ("VDD_IN",), 5.0)
    assert board.senses.complete
    assert not board.senses.reopen()


@pytest.mark.parametrize("profile", ["raspberry-pi-5", "generic-x86"])
def test_a_model_gives_way_to_what_can_be_measured_later(
    tree: FakeBoard, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    """A firmware that does not answer yet, and counters that only root may read yet."""
    BOARDS["pi5" if profile == "raspberry-pi-5" else "x86"](tree)
    answer = tree.dev / "vcio" / "pmic_read_adc"
    answers = [answer] if answer.exists() else list(tree.sysfs.glob("class/powercap/*/energy_uj"))
    for file in answers:
        file.rename(file.with_name("later"))
        file.write_text("")
    board = Board(tree, profile, monkeypatch)
    board.go_by(2)
    assert board.supply is None or board.supply[0] == "modelled"
    assert not board.senses.reopen()
    for file in answers:
        file.with_name("later").rename(file)
    board.go_by(2)
    assert board.senses.reopen()
    board.go_by(2)
    assert board.senses.complete
    assert board.supply is not None
    assert board.supply[0] == "measured"
    assert board.supply[2] is not None


def test_a_supply_that_comes_back_in_another_place_is_found(
    tree: FakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.zone("cpu-thermal", 40_000)
    rails = [("VDD_IN", 5000, 1000)]
    chip = tree.ina3221("1-0040", rails)
    board = Board(tree, "jetson-orin-nano-8gb", monkeypatch)
    board.go_by(5)
    assert board.senses.complete
    shutil.rmtree(chip)
    (tree.sysfs / "class" / "hwmon" / chip.name).unlink()
    board.go_by(2)
    assert board.senses.complete  # a reading that fails once or twice is no loss
    board.go_by(10)
    assert not board.senses.complete
    assert not board.senses.reopen()
    assert board.supply == ("measured", ("VDD_IN",), None)
    tree.hwmon("ina3221", {"in1_label": "VDD_IN", "in1_input": 5000, "curr1_input": 2000})
    assert board.senses.reopen()
    assert board.supply == ("measured", ("VDD_IN",), 10.0)
    assert board.senses.complete
    told = board.senses.report().supply
    assert told is not None
    assert (told.energy_j, told.covered_s, told.missing_s) == (0.0, 0.0, 0.0)  # since it was found


def test_the_meter_is_heard_and_can_be_hurried(tree: FakeBoard) -> None:
    BOARDS["orin-nano"](tree)
    heard: list[Metered] = []
    third = threading.Event()

    def hear(meter: Metered) -> None:
        heard.append(meter)
        if len(heard) >= 3:
            third.set()

    senses = BoardMonitor(tree.proc.parent, "jetson-orin-nano-8gb", Paths.system())
    senses.open(hear)
    try:
        senses.hurry()
        assert third.wait(30)
    finally:
        senses.close()
    times = [meter.time_s for meter in heard]
    assert times == sorted(times)
    assert heard[-1].energy.energy_j > 0
    senses.hurry()  # a closed one has no thread to hurry


class Interrupted(BoardMonitor):
    """Is closed by somebody else in the middle of a look."""

    at_look = 1

    def _look(self) -> BoardSnapshot:
        snapshot = super()._look()
        self.at_look -= 1
        if self.at_look == 0:
            self.close()
        return snapshot


@pytest.mark.parametrize("at_look", [1, 2])
def test_what_is_closed_during_a_look_reads_no_more(tree: FakeBoard, at_look: int) -> None:
    tree.zone("cpu-thermal", 40_000)
    before = threading.active_count()
    senses = Interrupted(tree.proc.parent, "jetson-orin-nano-8gb", Paths.system())
    senses.at_look = at_look
    senses.open()
    tree.ina3221("1-0040", [("VDD_IN", 5000, 1000)])
    assert not senses.reopen()
    assert threading.active_count() == before


def test_before_it_is_opened_there_is_nothing_to_tell(tree: FakeBoard) -> None:
    senses = BoardMonitor(tree.proc.parent)
    senses.hurry()
    report = senses.report()
    assert (report.board, report.supply, report.channels, senses.temp_c) == (None, None, [], None)
    assert report.looking
    assert not senses.reopen()
    senses.close()


def test_looking_without_a_daemon(tree: FakeBoard) -> None:
    BOARDS["orin-nano"](tree)
    waits: list[float] = []
    reports = look("jetson-orin-nano-8gb", tree.proc.parent, 2.0, waits.append)
    first, second = next(reports), next(reports)
    reports.close()
    assert first.supply is not None
    assert second.supply is not None
    assert waits == [0.6, 2.0]


def test_a_profile_that_cannot_be_used_is_told_of_and_left_out(
    tmp_path: Path,
    tree: FakeBoard,
    caplog: pytest.LogCaptureFixture,
    profiles: Callable[..., Paths],
) -> None:
    paths = profiles({"mine": "name: 3", "good": "name: Good\n"})
    chosen = choose("good", tree.proc.parent, paths)
    assert chosen.name is not None
    assert (chosen.name.id, chosen.name.confidence) == ("good", "configured")
    assert "mine.yaml" in caplog.text
    assert choose("mine", tree.proc.parent, paths).board is None


@pytest.fixture
def profiles(tmp_path: Path) -> Callable[..., Paths]:
    """Makes an installation with profiles of the user's own."""

    def make(files: dict[str, str]) -> Paths:
        folder = tmp_path / "etc" / "boards.d"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        return Paths(tmp_path, tmp_path, tmp_path / "etc" / "config.yaml", tmp_path)

    return make


def test_names_that_are_no_text_are_spelt_out(tmp_path: Path) -> None:
    tree = FakeBoard(tmp_path / "board\udc80")
    BOARDS["pi4"](tree)
    with opened(tree, "raspberry-pi-4b") as senses:
        report = senses.report()
    assert msgspec.json.decode(msgspec.json.encode(report), type=BoardReport) == report
    assert report.root.endswith("board\\udc80")
