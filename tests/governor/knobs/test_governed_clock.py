"""Clocks that change again and again are set together, watched, and always put back."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from knob_help import BOOT, at_once
from plants import BOARDS, FakeLoad

from edge_rt.board.readers.sysfs import open_regular
from edge_rt.governor.knobs.board_knobs import by_name
from edge_rt.governor.knobs.clock_files import CappedClock, cpu_files, gpu_files
from edge_rt.governor.knobs.governed_clock import REST_LOOKS, GovernedClock
from edge_rt.governor.knobs.journal import Journal, JournalEntry, KnobOutcome
from edge_rt.governor.knobs.knob import KnobError, KnobTarget
from edge_rt.governor.knobs.turner import Turner
from edge_rt.testing.board import FakeBoard
from edge_rt.twin.run import Event, Twin

PI5 = range(1_500_000, 2_400_001, 100_000)
GPU = (306_000_000, 408_000_000, 510_000_000, 612_000_000, 765_000_000, 918_000_000)


class CountedJournal(Journal):
    """Counts how often it is written to disk."""

    writes = 0
    full = False

    def _write(self, entries: Sequence[JournalEntry]) -> None:
        if self.full:
            raise self._error(OSError(errno.ENOSPC, "No space left on device"))
        self.writes += 1
        super()._write(entries)


class Stage:
    """A process that governs the clock of one board."""

    def __init__(
        self, tree: FakeBoard, folder: Path, key: str = "cpufreq", top_hz: float | None = None
    ) -> None:
        self.tree, self.key = tree, f"knobs.{key}"
        self.journal = CountedJournal(folder / "knobs.json")
        find = lambda name: by_name(name, Path("/"))  # noqa: E731
        self.turner = Turner(self.journal, find, BOOT, at_once)
        files = {"cpufreq": cpu_files, "gpufreq": gpu_files}[key]
        self.clock = GovernedClock(
            self.key,
            lambda: files(tree.sysfs),
            lambda file: CappedClock(file, self.journal, BOOT, at_once),
            self.turner,
            self.journal,
            top_hz,
        )

    def look(self, wanted_hz: float | None, times: int = 1) -> list[int]:
        """Return what the policies say afterwards."""
        for _ in range(times):
            self.clock.look(wanted_hz)
        return caps(self.tree)

    def outcome(self, name: str | None = None) -> KnobOutcome:
        wanted = name or self.key
        return next(o for o in self.turner.outcomes if o.knob.endswith(wanted))

    def states(self) -> dict[str, str]:
        return {Path(o.knob).parent.name or o.knob: o.state for o in self.turner.outcomes}


def policy_file(tree: FakeBoard, number: int = 0) -> Path:
    return tree.sysfs / f"devices/system/cpu/cpufreq/policy{number}/scaling_max_freq"


def caps(tree: FakeBoard) -> list[int]:
    base = tree.sysfs / "devices/system/cpu/cpufreq"
    return [int((folder / "scaling_max_freq").read_text()) for folder in sorted(base.iterdir())]


@pytest.fixture
def pi5(tree: FakeBoard) -> FakeBoard:
    """One policy with a list of clocks."""
    folder = tree.policy(0, "0 1 2 3", 2_400_000, 2_400_000, 1_500_000)
    tree.write(folder, {"scaling_available_frequencies": " ".join(map(str, PI5))})
    return tree


@pytest.fixture
def orin(tree: FakeBoard) -> FakeBoard:
    """Two policies of equal cores, held at 1.5 GHz by a power mode, and a GPU."""
    for number, cpus in ((0, "0 1 2 3"), (4, "4 5")):
        folder = tree.policy(number, cpus, 1_497_600, 1_497_600, 115_200)
        listed = " ".join(str(115_200 + 76_800 * step) for step in range(20))
        files = {"scaling_available_frequencies": listed, "cpuinfo_max_freq": 1_510_400}
        tree.write(folder, files)
    gpu = {"cur_freq": GPU[0], "min_freq": GPU[0], "max_freq": GPU[-1]}
    gpu["available_frequencies"] = " ".join(map(str, GPU))
    tree.write(tree.sysfs / "class/devfreq/17000000.gpu", gpu)
    tree.write(tree.sysfs / "class/devfreq/31b0000.emc", gpu)
    return tree


@pytest.fixture
def hybrid(tree: FakeBoard) -> FakeBoard:
    """intel_pstate with cores of two kinds and no list of clocks."""
    for number, top in ((0, 4_800_000), (1, 4_800_000), (2, 3_600_000)):
        tree.policy(number, str(number), top, top, 400_000)
    return tree


def test_the_clocks_to_choose_from_are_those_of_the_kernel(pi5: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(pi5, tmp_path)
    assert stage.clock.steps == ()
    assert stage.look(None) == [2_400_000]
    assert stage.clock.steps == tuple(1e3 * khz for khz in PI5)
    assert stage.clock.hz == 2.4e9
    assert not stage.journal.path.exists()  # nothing was changed


def test_where_the_kernel_lists_none_there_are_ten_on_a_grid(
    hybrid: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(hybrid, tmp_path)
    stage.look(None)
    steps = stage.clock.steps
    assert (len(steps), steps[0], steps[-1]) == (10, 0.4e9, 4.8e9)
    assert all(hz % 1e8 == 0 for hz in steps)
    assert list(steps) == sorted(steps)


def test_nothing_above_what_a_power_mode_allows_is_offered(orin: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(orin, tmp_path)
    stage.look(None)
    assert (stage.clock.steps[0], stage.clock.steps[-1]) == (0.1152e9, 1.4976e9)


def test_a_clock_is_set_rounded_down_and_put_back(pi5: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(pi5, tmp_path)
    assert stage.look(1.8e9) == [1_800_000]
    assert stage.clock.hz == 1.8e9
    assert stage.look(2.25e9) == [2_200_000]
    assert stage.look(0.3e9) == [1_500_000]  # no lower one may be set
    assert stage.look(None) == [2_400_000]
    stage.look(1.6e9)
    stage.clock.release()
    assert caps(pi5) == [2_400_000]
    assert stage.journal.entries() == ()
    assert (stage.clock.steps, stage.clock.hz) == ((), None)


def test_cores_of_two_kinds_get_the_same_share_of_their_top_clocks(
    hybrid: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(hybrid, tmp_path)
    fast, other, slow = stage.look(2.4e9)
    assert fast == other
    assert 2_000_000 < fast <= 2_400_000
    assert slow <= 1_800_000 < slow + 400_000
    assert stage.look(None) == [4_800_000, 4_800_000, 3_600_000]


def test_the_disk_is_written_once_however_often_the_clock_changes(
    orin: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(orin, tmp_path)
    for step in range(40):
        stage.look(0.5e9 + 0.05e9 * (step % 12))
        stage.look(None)
    assert stage.journal.writes == 1
    assert [entry.original for entry in stage.journal.entries()] == [1_497_600] * 2


def test_the_file_is_written_only_when_the_clock_changes(
    pi5: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, writes = Stage(pi5, tmp_path), list[str]()

    def opened(path: str | Path, flags: int = 0) -> int:
        if flags & os.O_TRUNC:
            writes.append(str(path))
        return open_regular(path, flags)

    monkeypatch.setattr("edge_rt.governor.knobs.knob.open_regular", opened)
    stage.look(1.8e9, times=5)
    stage.look(1.89e9, times=5)  # the same step
    assert len(writes) == 1


def test_it_never_goes_above_the_highest_clock_that_is_configured(
    pi5: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(pi5, tmp_path, top_hz=2e9)
    assert stage.look(None) == [2_000_000]
    assert stage.clock.steps[-1] == 2e9
    assert stage.look(2.4e9) == [2_000_000]
    assert stage.look(1.7e9) == [1_700_000]
    assert stage.look(None) == [2_000_000]
    stage.clock.release()
    assert caps(pi5) == [2_400_000]


def test_what_was_capped_before_it_was_governed_keeps_its_first_original(
    pi5: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(pi5, tmp_path, top_hz=2e9)
    for file in cpu_files(pi5.sysfs):
        stage.turner.turn(KnobTarget(file.knob, 2_000_000))
    assert stage.look(1.6e9) == [1_600_000]
    stage.clock.release()
    assert caps(pi5) == [2_400_000]


def test_the_gpu_alone_is_governed_and_not_the_memory(orin: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(orin, tmp_path, "gpufreq")
    stage.look(0.7e9)
    base = orin.sysfs / "class/devfreq"
    assert (base / "17000000.gpu/max_freq").read_text() == "612000000\n"
    assert (base / "31b0000.emc/max_freq").read_text() == f"{GPU[-1]}\n"
    assert stage.clock.steps == tuple(float(hz) for hz in GPU)
    stage.clock.release()
    assert (base / "17000000.gpu/max_freq").read_text() == f"{GPU[-1]}\n"


def test_the_gpu_of_a_simulated_board_obeys_and_is_let_go(tree: FakeBoard, tmp_path: Path) -> None:
    load = FakeLoad()
    load.gpu = 1.0
    profile = BOARDS["jetson-orin-nano-8gb"]
    shutil.rmtree(tree.sysfs.parent)
    twin = Twin(profile, tree.sysfs.parent, load, 25.0, 0, [], load.clock)
    twin.step()
    stage = Stage(tree, tmp_path, "gpufreq")
    stage.clock.look(None)
    top_hz = stage.clock.steps[-1]
    for wanted_hz, most_hz in ((0.6 * top_hz, 0.6 * top_hz), (None, top_hz)):
        stage.clock.look(wanted_hz)
        for _ in range(5):
            state = twin.step()
        assert state is not None
        assert state.gpu is not None
        assert 0.8 * most_hz < state.gpu.clock_hz <= most_hz
    stage.clock.look(0.6 * top_hz)
    twin.step()
    stage.clock.look(0.6 * top_hz)  # as the simulated kernel shows it
    assert stage.clock.steps
    stage.clock.release()
    twin.step()
    [file] = gpu_files(tree.sysfs)
    assert file.knob.read() == top_hz


def test_a_board_without_a_gpu_says_so(pi5: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(pi5, tmp_path, "gpufreq")
    stage.look(0.5e9, times=3)
    assert (stage.outcome().state, stage.clock.steps) == ("failed", ())
    assert "no GPU with max_freq" in (stage.outcome().said or "")


def test_what_somebody_else_sets_is_left_alone_and_the_rest_put_back(
    orin: FakeBoard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage(orin, tmp_path)
    stage.look(0.8e9)
    policy_file(orin, 4).write_text("1190400\n")
    caplog.clear()
    assert stage.look(0.8e9) == [1_497_600, 1_190_400]
    assert stage.look(0.5e9, times=50) == [1_497_600, 1_190_400]
    assert (stage.clock.steps, stage.clock.hz) == ((), None)
    assert stage.states() == {"policy0": "restored", "policy4": "moved", stage.key: "moved"}
    assert "somebody else" in (stage.outcome().said or "")
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 2  # file and key
    assert stage.journal.entries() == ()
    stage.turner.restore()
    assert caps(orin) == [1_497_600, 1_190_400]


def test_what_somebody_else_sets_while_it_is_free_is_the_most_from_then_on(
    pi5: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(pi5, tmp_path)
    stage.look(1.8e9)
    stage.look(None)
    policy_file(pi5).write_text("2000000\n")
    assert stage.look(None) == [2_000_000]
    assert stage.clock.steps[-1] == 2e9
    assert stage.journal.entries() == ()  # the next process would not know better
    assert stage.look(1.6e9) == [1_600_000]
    assert stage.look(None) == [2_000_000]
    stage.clock.release()
    assert caps(pi5) == [2_000_000]


def test_taken_away_and_given_again_it_is_tried_again(pi5: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(pi5, tmp_path)
    stage.look(1.8e9)
    policy_file(pi5).write_text("2000000\n")
    assert stage.look(1.8e9) == [2_000_000]
    stage.clock.release()
    assert stage.look(1.8e9) == [1_800_000]


def refuse(monkeypatch: pytest.MonkeyPatch, *paths: Path, number: int) -> None:
    """Let nobody write `paths`; with EBUSY nobody can read them either."""

    def opened(path: str | Path, flags: int = 0) -> int:
        if Path(path) in paths and (flags & os.O_WRONLY or number == errno.EBUSY):
            raise OSError(number, os.strerror(number))
        return open_regular(path, flags)

    monkeypatch.setattr("edge_rt.governor.knobs.knob.open_regular", opened)


def test_without_the_right_nothing_is_offered_and_the_log_says_so_once(
    orin: FakeBoard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(orin, tmp_path)
    with monkeypatch.context() as patch:
        refuse(patch, policy_file(orin, 4), number=errno.EACCES)
        assert stage.look(0.8e9, times=5 * REST_LOOKS) == [1_497_600] * 2
    assert stage.clock.steps == ()
    assert len(caplog.records) == 1
    assert "chgrp edge-rt-knobs" in caplog.text
    # With the right, it goes on by itself.
    assert stage.look(0.8e9, times=REST_LOOKS + 1) == [729_600] * 2
    assert stage.key not in stage.states()


def test_policies_whose_cores_are_offline_join_later(
    orin: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(orin, tmp_path)
    with monkeypatch.context() as patch:
        refuse(patch, policy_file(orin, 4), number=errno.EBUSY)
        assert stage.look(0.8e9) == [729_600, 1_497_600]
        assert stage.clock.steps
    assert stage.look(0.8e9, times=REST_LOOKS + 1) == [729_600] * 2


def test_cores_that_go_offline_meanwhile_do_not_stop_the_others(
    orin: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(orin, tmp_path)
    stage.look(0.8e9)
    with monkeypatch.context() as patch:
        refuse(patch, policy_file(orin, 4), number=errno.EBUSY)
        assert stage.look(0.5e9) == [499_200, 729_600]
    assert stage.look(0.5e9) == [499_200, 499_200]


def test_a_fifo_in_place_of_a_file_is_no_clock(pi5: FakeBoard, tmp_path: Path) -> None:
    policy_file(pi5).unlink()
    os.mkfifo(policy_file(pi5))
    stage = Stage(pi5, tmp_path)
    stage.clock.look(1.8e9)
    assert stage.outcome().state == "failed"
    assert "not a regular file" in (stage.outcome().said or "")


def test_a_file_that_says_the_same_after_each_write_is_given_up(
    pi5: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(pi5, tmp_path)
    stage.look(None)
    monkeypatch.setattr("edge_rt.governor.knobs.knob.write_number", lambda path, value: None)
    assert stage.look(1.8e9, times=3) == [2_400_000]
    assert (stage.outcome().state, stage.clock.steps) == ("failed", ())
    assert "it still says 2400000" in (stage.outcome().said or "")


def test_a_clock_is_given_up_once_although_the_journal_cannot_be_read(
    pi5: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(pi5, tmp_path)
    stage.look(None)
    stage.journal.path.write_text("{")
    with pytest.raises(KnobError, match="cannot be understood"):
        stage.look(1.8e9)
    assert (stage.outcome().state, stage.clock.steps) == ("failed", ())
    assert stage.look(1.8e9) == [2_400_000]


def test_a_value_that_another_writer_has_swallowed_is_written_again(
    pi5: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, lost = Stage(pi5, tmp_path), [True]
    stage.look(None)

    def write(path: Path, value: int) -> None:
        if not lost or not lost.pop():
            path.write_text(f"{value}\n")

    monkeypatch.setattr("edge_rt.governor.knobs.knob.write_number", write)
    assert stage.look(1.8e9) == [1_800_000]
    assert stage.clock.steps


def test_what_the_kernel_makes_of_a_value_is_ours(
    pi5: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(pi5, tmp_path)
    monkeypatch.setattr(
        "edge_rt.governor.knobs.knob.write_number",
        lambda path, value: path.write_text(f"{value - 64}\n"),
    )
    assert stage.look(1.8e9, times=3) == [1_799_936]
    assert stage.clock.steps
    monkeypatch.undo()
    Stage(pi5, tmp_path).turner.restore()  # after kill -9
    assert caps(pi5) == [2_400_000]


def test_while_the_kernel_throttles_nothing_is_begun(pi5: FakeBoard, tmp_path: Path) -> None:
    cooler = pi5.cooling("cpufreq-cpu0", 2, 5)
    stage = Stage(pi5, tmp_path)
    assert stage.look(1.8e9, times=3) == [2_400_000]
    assert (stage.outcome().state, stage.clock.steps) == ("waiting", ())
    pi5.write(cooler, {"cur_state": 0})
    assert stage.look(1.8e9, times=REST_LOOKS + 1) == [1_800_000]


def test_a_gpu_that_the_kernel_throttles_waits_too(orin: FakeBoard, tmp_path: Path) -> None:
    orin.cooling("thermal-devfreq-0", 1, 5)
    stage = Stage(orin, tmp_path, "gpufreq")
    stage.look(0.7e9)
    assert stage.outcome().state == "waiting"
    assert "thermal-devfreq-0" in (stage.outcome().said or "")


def test_a_kernel_that_begins_to_throttle_is_nobody_else(pi5: FakeBoard, tmp_path: Path) -> None:
    cooler = pi5.cooling("thermal-cpufreq-0", 0, 5)
    stage = Stage(pi5, tmp_path)
    stage.look(2.2e9)
    pi5.write(cooler, {"cur_state": 3})
    policy_file(pi5).write_text("1500000\n")  # what the kernel shows then
    stage.look(2.2e9, times=3)
    assert stage.clock.steps
    assert stage.clock.hz == 1.5e9  # in force
    assert stage.look(1.9e9) == [1_900_000]
    pi5.write(cooler, {"cur_state": 0})
    stage.look(1.9e9)
    stage.clock.release()
    assert caps(pi5) == [2_400_000]


def test_through_throttling_and_back_the_clock_stays_governed(
    tree: FakeBoard, tmp_path: Path
) -> None:
    load = FakeLoad(1.0)
    shutil.rmtree(tree.sysfs.parent)
    heat = [Event.parse("ambient@1+900=90")]
    profile = BOARDS["jetson-nano-4gb"]
    twin = Twin(profile, tree.sysfs.parent, load, 25.0, 0, heat, load.clock)
    twin.step()
    stage, states = Stage(tree, tmp_path), set[bool]()
    top_khz = caps(tree)[0]
    for second in range(3000):
        load.cores = 4.0 if second < 900 else 0.0
        state = twin.step()
        assert state is not None
        states.add(state.throttle_state > 0)
        if second % 5 == 0:
            stage.clock.look((0.95e3 if second % 10 else 1e3) * top_khz)
            assert stage.clock.steps
        if second > 900 and not state.throttle_state:
            break
    assert states == {True, False}
    twin.step()
    stage.clock.release()
    twin.step()
    assert caps(tree) == [top_khz] * len(caps(tree))


@pytest.mark.parametrize(("left_khz", "back_khz"), [(1_700_000, 2_400_000), (1_234_567, 1_234_567)])
def test_after_kill_9_what_may_be_ours_is_put_back_and_nothing_else(
    pi5: FakeBoard, tmp_path: Path, left_khz: int, back_khz: int
) -> None:
    Stage(pi5, tmp_path).look(1.8e9)
    policy_file(pi5).write_text(f"{left_khz}\n")  # a later step, or somebody else's
    stage = Stage(pi5, tmp_path)
    stage.turner.restore()
    assert caps(pi5) == [back_khz]
    assert stage.journal.entries() == ()


def test_at_the_end_a_step_that_somebody_else_has_set_is_left(
    pi5: FakeBoard, tmp_path: Path
) -> None:
    stage = Stage(pi5, tmp_path)
    stage.look(1.8e9)
    policy_file(pi5).write_text("1700000\n")
    stage.clock.settle()
    stage.turner.restore()
    assert caps(pi5) == [1_700_000]


def test_on_a_full_disk_no_clock_is_changed(pi5: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(pi5, tmp_path)
    stage.journal.full = True
    assert stage.look(1.8e9, times=3) == [2_400_000]
    assert (stage.outcome().state, stage.clock.steps) == ("waiting", ())
    stage.journal.full = False
    assert stage.look(1.8e9, times=REST_LOOKS + 1) == [1_800_000]


def test_a_policy_that_goes_away_is_left_out(orin: FakeBoard, tmp_path: Path) -> None:
    stage = Stage(orin, tmp_path)
    stage.look(0.8e9)
    policy_file(orin, 4).unlink()
    stage.clock.look(0.5e9)
    assert policy_file(orin).read_text() == "499200\n"
    stage.clock.release()
    assert policy_file(orin).read_text() == "1497600\n"


def test_a_clock_that_cannot_be_lower_is_no_clock_to_choose(pi5: FakeBoard, tmp_path: Path) -> None:
    pi5.write(policy_file(pi5).parent, {"scaling_min_freq": 2_400_000})
    stage = Stage(pi5, tmp_path)
    stage.look(1.8e9)
    assert (stage.clock.steps, caps(pi5)) == ((), [2_400_000])
    assert "no lower clock" in (stage.outcome().said or "")
