"""A twin sees how long passes keep a GPU busy, as real engines note it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_rt.engine.channel import Heartbeat
from edge_rt.twin.load import GpuTime, Passes, WatchedLoad, WatchedUsage

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
ENGINE = ("python", "-m", "edge_rt.engine.worker", "simulated-gpu", "5", "7", "-1")
OFFLINE = ("python", "-m", "edge_rt.core.system.process", "edge_rt.engine.worker", "5", "7", "-1")

CHILD = """
import sys
from edge_rt.engine.channel import Heartbeat
beat = Heartbeat(int(sys.argv[-2]))
print("there", flush=True)
sys.stdin.readline()
beat.pass_is_over(2.0, 1.5)
print("done", flush=True)
sys.stdin.readline()
"""


class Engine:
    """Process 20 of a procfs, with the Heartbeat that an engine would have."""

    def __init__(self, proc: Path, words: tuple[str, ...] = ENGINE) -> None:
        self.proc, self.now_s = proc, 100.0
        self._folder = proc / "20"
        (self._folder / "fd").mkdir(parents=True)
        (self._folder / "cmdline").write_bytes(b"".join(os.fsencode(w) + b"\0" for w in words))
        self.used(0)
        shared = Heartbeat.shared()
        self.beat = Heartbeat(shared)
        (self._folder / "fd" / "7").symlink_to(f"/proc/{os.getpid()}/fd/{shared}")

    def used(self, ticks: int) -> None:
        """So much CPU time so far."""
        fields = ["1"] + ["0"] * 9 + [str(ticks), "0"] + ["0"] * 8 + ["3"] + ["0"] * 20
        (self._folder / "stat").write_text(f"20 (engine) R {' '.join(fields)}")

    def clock(self) -> float:
        return self.now_s

    def passes(self) -> Callable[[], dict[int, GpuTime]]:
        """Looks; the first one is over."""
        passes = Passes(self.proc, self.clock)
        assert passes.look((20,)) == {20: GpuTime(0.0, 0.0)}
        return lambda: passes.look((20,))

    def load(self) -> Callable[[], WatchedUsage]:
        """Return the same of the process's load."""
        load = WatchedLoad(20, self.proc, self.clock)

        def look() -> WatchedUsage:
            usage = load.look()
            assert usage is not None
            return usage

        assert (look().busy_s, look().gpu_s) == (0.0, 0.0)
        return look


@pytest.mark.parametrize("words", [ENGINE, OFFLINE])
def test_a_pass_counts_while_it_is_under_way_and_once(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    engine = Engine(tmp_path, words)
    look = engine.passes()
    engine.beat.pass_begins(100.0, 0.5)
    engine.now_s = 100.4
    assert look()[20].gpu_s == pytest.approx(0.2)
    engine.beat.pass_is_over(0.6, 0.3)
    engine.now_s = 100.8
    assert look()[20] == GpuTime(pytest.approx(0.1), pytest.approx(0.5))
    engine.now_s = 101.0
    assert look()[20] == GpuTime(0.0, pytest.approx(0.5))


def test_passes_on_cpu_and_gpu_share_the_time(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.passes()
    engine.beat.pass_is_over(0.3, 0.0)
    assert look()[20] == GpuTime(0.0, 0.0)
    engine.beat.pass_is_over(0.7, 0.1)
    assert look()[20] == GpuTime(pytest.approx(0.1), pytest.approx(0.25))


def test_a_pass_that_failed_takes_nothing_back(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.passes()
    engine.beat.pass_begins(100.0, 1.0)
    engine.now_s = 100.5
    assert look()[20].gpu_s == pytest.approx(0.5)
    engine.beat.note()
    assert look()[20].gpu_s == 0.0
    engine.beat.pass_is_over(0.6, 0.6)
    assert look()[20].gpu_s == pytest.approx(0.1)


def test_figures_that_change_just_now_are_read_at_the_next_look(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.passes()
    engine.beat.pass_is_over(0.6, 0.6)
    engine.beat._words[3] += 1
    assert look()[20].gpu_s == 0.0
    engine.beat._words[3] += 1
    assert look()[20].gpu_s == pytest.approx(0.6)


@pytest.mark.parametrize("words", [("python", "-m", "other", "5", "7", "-1"), ("sh",), ()])
def test_other_processes_have_no_passes(tmp_path: Path, words: tuple[str, ...]) -> None:
    Engine(tmp_path, words)
    assert Passes(tmp_path).look((20, 21)) == {}


def test_an_engine_of_another_user_is_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Engine(tmp_path)

    def refused(*given: object) -> int:
        raise PermissionError(13, "Permission denied")

    passes = Passes(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused)
        assert [passes.look((20,)) for _ in range(3)] == [{}, {}, {}]
    assert caplog.messages == ["engine 20 is another user's: its passes heat no GPU"]
    assert set(passes.look((20,))) == {20}


def held() -> int:
    """Return how many files are open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_an_engine_that_is_gone_is_let_go_of(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    passes = Passes(tmp_path, engine.clock)
    before = held()
    assert passes.look((20,)) == {20: GpuTime(0.0, 0.0)}
    assert held() == before + 1
    assert passes.look(()) == {}
    assert held() == before


# --- as load


def test_instead_of_the_cores_that_a_gpu_s_layers_took_one_waits(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.load()
    engine.used(300)
    engine.beat.pass_is_over(1.0, 1.0)
    usage = look()
    assert (usage.busy_s, usage.gpu_s) == (pytest.approx(1.0), pytest.approx(1.0))


def test_layers_that_are_left_on_the_cpu_heat_it(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.load()
    engine.used(round(4.0 / TICK_S))
    engine.beat.pass_is_over(1.0, 0.25)
    usage = look()
    assert (usage.busy_s, usage.gpu_s) == (pytest.approx(3.0 + 0.25), pytest.approx(0.25))


def test_without_a_gpu_all_of_it_is_the_processor_s(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.load()
    engine.used(round(4.0 / TICK_S))
    engine.beat.pass_is_over(1.0, 0.0)
    usage = look()
    assert (usage.busy_s, usage.gpu_s) == (pytest.approx(4.0), 0.0)


def test_ticks_that_come_late_are_those_of_the_last_passes(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    look = engine.load()
    engine.beat.pass_is_over(1.0, 1.0)
    assert look().busy_s == pytest.approx(1.0)
    engine.used(300)
    assert look().busy_s == 0.0


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A real process with an engine's command line and memory."""
    page = Heartbeat.shared()
    words = [sys.executable, "-c", CHILD, "edge_rt.engine.worker", "-1", str(page), "-1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, pass_fds=(page,), text=True, stdin=pipe, stdout=pipe) as process:
        os.close(page)
        yield process
        process.kill()


def test_a_real_process_is_seen_through_procfs(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    passes = Passes()
    assert passes.look((child.pid,)) == {child.pid: GpuTime(0.0, 0.0)}
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "done\n"
    assert passes.look((child.pid,)) == {child.pid: GpuTime(1.5, 0.75)}
