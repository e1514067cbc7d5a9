"""The clocks of a simulated board are capped and let go, throttled or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from knob_help import BOOT, at_once
from plants import BOARDS, FakeLoad

from edge_rt.governor.knobs.clock_files import clock_knob, clock_targets
from edge_rt.governor.knobs.journal import Journal
from edge_rt.governor.knobs.knob import KnobError
from edge_rt.governor.knobs.turner import Turner
from edge_rt.testing.board import FakeBoard
from edge_rt.twin.run import Event, Twin

NANO = "jetson-nano-4gb"
HEAT = "ambient@1+3600=90"  # for an hour the kernel throttles a board at work


class Stage:
    """A simulated board, and a process that turns its clocks."""

    def __init__(self, folder: Path, name: str, *events: str) -> None:
        self.load = FakeLoad()
        self.root = folder / "board"
        script = [Event.parse(event) for event in events]
        clock = self.load.clock
        self.twin = Twin(BOARDS[name], self.root, self.load, 25.0, 0, script, clock)
        self.journal = Journal(folder / "knobs.json")
        self.go(1)
        self.reborn()

    def reborn(self) -> None:
        """The process is another one from now on."""
        self.turner = Turner(self.journal, clock_knob, BOOT, lambda seconds: self.go(1))

    def go(self, steps: int, cores: float = 0.0) -> None:
        self.load.cores = cores
        for _ in range(steps):
            state = self.twin.step()
            assert state is not None
            self.state = state

    def turn(self, max_hz: float) -> list[str]:
        for target in clock_targets(self.root / "sys", max_hz):
            self.turner.turn(target)
        return [outcome.state for outcome in self.turner.outcomes]

    def restore(self) -> list[str]:
        self.turner.restore()
        return [outcome.state for outcome in self.turner.outcomes]

    @property
    def shown_khz(self) -> list[int]:
        base = self.root / "sys/devices/system/cpu/cpufreq"
        return [int((folder / "scaling_max_freq").read_text()) for folder in sorted(base.iterdir())]

    def heat(self) -> None:
        """Work until the kernel throttles."""
        self.load.step_s = 1.0
        self.go(1, self.twin.shape.cores)
        while self.state.throttle_state == 0:
            assert self.state.time_s < 3600
            self.go(1, self.twin.shape.cores)

    def cool(self) -> None:
        """Rest until it does not any more."""
        self.load.step_s = 10.0
        self.go(1)
        while self.state.throttle_state > 0:
            assert self.state.time_s < 9000
            self.go(1)
        self.go(1)


@pytest.fixture(params=["jetson-orin-nano-8gb", "raspberry-pi-5", "generic-x86"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return Stage(tmp_path, request.param)


def test_every_policy_obeys_and_is_let_go(stage: Stage) -> None:
    before, top_hz = stage.shown_khz, stage.twin.shape.top_hz
    assert set(stage.turn(top_hz * 0.75)) == {"turned"}
    stage.go(5, stage.twin.shape.cores)
    assert max(stage.state.clocks_hz) <= top_hz * 0.75 + 1e3
    assert set(stage.restore()) == {"restored"}
    stage.go(5, stage.twin.shape.cores)
    assert max(stage.state.clocks_hz) == top_hz
    assert stage.shown_khz == before
    assert stage.journal.entries() == ()


def test_a_process_that_is_gone_has_left_what_the_next_one_puts_back(stage: Stage) -> None:
    before = stage.shown_khz
    stage.turn(stage.twin.shape.top_hz * 0.75)
    assert stage.shown_khz != before
    stage.go(20)
    stage.reborn()
    stage.restore()
    stage.go(1)
    assert stage.shown_khz == before


def test_a_clock_that_is_too_low_for_the_board_comes_out_as_its_lowest(stage: Stage) -> None:
    low_khz = round(stage.twin.shape.steps_hz[-1] / 1e3)
    stage.turn(10e6)
    [*outcomes] = stage.turner.outcomes
    assert {outcome.value for outcome in outcomes} == {low_khz}
    assert all(outcome.said for outcome in outcomes)
    stage.restore()
    assert set(stage.shown_khz) == {round(stage.twin.shape.top_hz / 1e3)}


def test_nothing_is_turned_while_the_kernel_throttles(tmp_path: Path) -> None:
    stage = Stage(tmp_path, NANO, HEAT)
    top = stage.shown_khz
    stage.heat()
    assert stage.shown_khz != top
    assert set(stage.turn(1e9)) == {"waiting"}
    assert stage.journal.entries() == ()
    stage.cool()
    assert set(stage.turn(1e9)) == {"turned"}
    assert [entry.original for entry in stage.journal.entries()] == top


def test_a_cap_is_taken_off_while_the_kernel_throttles(tmp_path: Path) -> None:
    stage = Stage(tmp_path, NANO, HEAT)
    top = stage.shown_khz
    stage.turn(stage.twin.shape.top_hz * 0.99)
    ours = stage.shown_khz
    stage.heat()
    assert stage.shown_khz < ours < top
    assert set(stage.restore()) == {"restored"}
    stage.cool()
    stage.go(1)
    assert stage.shown_khz == top


def test_somebody_elses_cap_is_left_alone(stage: Stage) -> None:
    stage.turn(stage.twin.shape.top_hz * 0.75)
    theirs = round(stage.twin.shape.top_hz / 1e3 * 0.9)
    for target in clock_targets(stage.root / "sys", 1e9):
        Path(target.knob.name).write_text(f"{theirs}\n")
    stage.go(1)
    stage.turner.look()
    assert {outcome.state for outcome in stage.turner.outcomes} == {"moved"}
    stage.restore()
    stage.go(1)
    assert set(stage.shown_khz) == {theirs}


@pytest.mark.parametrize("kind", ["cpufreq-cpu0", "thermal-cpufreq-0", "Processor"])
def test_kernels_name_the_throttle_in_three_ways(tree: FakeBoard, kind: str) -> None:
    policy = tree.policy(0, "0 1", 1_000_000, 2_000_000, 400_000)
    cooler = tree.cooling(kind, 0, 5)
    tree.cooling("pwm-fan", 3, 4)
    knob = clock_knob(str(policy / "scaling_max_freq"))
    assert knob is not None
    assert knob.hidden() is None
    tree.write(cooler, {"cur_state": 2})
    assert kind in (knob.hidden() or "")


def test_a_board_without_cpufreq_says_so(tree: FakeBoard) -> None:
    with pytest.raises(KnobError, match="no policy"):
        clock_targets(tree.sysfs, 1e9)


def test_a_policy_that_goes_away_is_dropped(tree: FakeBoard, tmp_path: Path) -> None:
    policy = tree.policy(4, "4 5", 1_000_000, 2_000_000, 400_000)
    journal = Journal(tmp_path / "knobs.json")
    turner = Turner(journal, clock_knob, BOOT, at_once)
    [target] = clock_targets(tree.sysfs, 1.5e9)
    turner.turn(target)
    (policy / "scaling_max_freq").unlink()
    turner.restore()
    assert [outcome.state for outcome in turner.outcomes] == ["gone"]
    assert journal.entries() == ()
