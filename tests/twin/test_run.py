"""The twin as a process: it follows real work and ends cleanly."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from plants import BOARDS, FakeLoad
from readings import Readings

from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.run import Event, Twin, run

# Works while it is told to, so that what is awaited is work that was done and not time.
SPIN = """
import sys, time
print("idle", flush=True)
for line in sys.stdin:
    end_s = time.process_time() + float(line)
    while time.process_time() < end_s:
        pass
    print("done", flush=True)
"""


@contextmanager
def child(*args: str) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(args, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def twin_args(pid: int, root: Path, *more: str) -> list[str]:
    code = "from edge_rt.cli.main import main; main()"
    args = ["twin", "--board", "raspberry-pi-5", "--watch", str(pid), "--dir", str(root)]
    return [sys.executable, "-c", code, *args, "--period", "0.05", *more]


def test_real_work_makes_watts_and_its_end_ends_the_twin(tmp_path: Path) -> None:
    root = tmp_path / "board"
    with child(sys.executable, "-c", SPIN) as work:
        assert line(work) == "idle"
        with child(*twin_args(work.pid, root)) as twin:
            assert line(twin) == str(root)
            readings = Readings(root)
            idle = readings.read()
            tell(work, "1.0")
            busiest_w = 0.0
            while busiest_w < idle["VDD_CORE", "power_w"] + 0.3:
                assert twin.poll() is None
                busiest_w = max(busiest_w, readings.read()["VDD_CORE", "power_w"])
                if busiest_w < idle["VDD_CORE", "power_w"] + 0.3 and ready(work):
                    tell(work, "1.0")
            assert (root / "proc" / str(work.pid) / "stat").is_file()
            work.kill()
            work.wait()
            assert twin.wait(10) == 0
            assert twin.stderr is not None
            assert "has ended" in twin.stderr.read()
    assert not (root / "sys").exists()


def ready(process: subprocess.Popen[str]) -> bool:
    """Return whether the work is done; waits a moment for it."""
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    return bool(poll.poll(50)) and line(process) == "done"


def test_sigterm_ends_it_and_takes_the_tree_away(tmp_path: Path) -> None:
    with child(*twin_args(os.getpid(), tmp_path / "board")) as twin:
        assert line(twin) == str(tmp_path / "board")
        twin.send_signal(signal.SIGTERM)
        assert twin.wait(10) == 0
        assert twin.stderr is not None
        assert "SIGTERM" in twin.stderr.read()
    assert not (tmp_path / "board" / "sys").exists()


def test_it_ends_when_the_board_switches_itself_off(tmp_path: Path) -> None:
    load = FakeLoad(60.0)
    hot = [Event.parse("ambient@0=125")]
    twin = Twin(BOARDS["raspberry-pi-5"], tmp_path, load, events=hot, clock=load.clock)
    told: list[str] = []
    assert "switched itself off at" in run(twin, 0.001, lambda: told.append("ready"))
    assert told == ["ready"]
    assert list(tmp_path.iterdir()) == []


def test_late_cpu_time_is_felt_later_and_not_lost(tmp_path: Path) -> None:
    load = FakeLoad()
    twin = Twin(BOARDS["raspberry-pi-5"], tmp_path, load, clock=load.clock)
    twin.step()
    load.cores = 10.0  # a second of work, told within a tenth of it
    seen = []
    for _ in range(5):
        state = twin.step()
        assert state is not None
        seen.append(state.busy_cores)
        load.cores = 0.0
    assert seen == pytest.approx([4.0, 4.0, 2.0, 0.0, 0.0])


def test_a_look_that_takes_long_is_no_burst_of_work(tmp_path: Path) -> None:
    """The time of the look counts with what was used in it."""

    class Slow(FakeLoad):
        slow_s = 0.0

        def look(self) -> WatchedUsage | None:
            self.now_s += self.slow_s  # the processes are listed, then what they used is read
            return WatchedUsage((self.cores or 0.0) * (self.slow_s + self.step_s), 1 << 20, ())

    load = Slow()
    twin = Twin(BOARDS["raspberry-pi-5"], tmp_path, load, clock=load.clock)
    twin.step()
    load.cores = 1.0
    for load.slow_s in (0.0, 0.3, 0.0):
        state = twin.step()
        assert state is not None
        assert state.busy_cores == pytest.approx(1.0)


def test_a_twin_whose_output_is_read_no_more_ends(tmp_path: Path) -> None:
    """As in the pipeline with a daemon, although the shell that it watches goes on."""
    root = tmp_path / "board"
    with child(*twin_args(os.getpid(), root)) as twin:
        assert line(twin) == str(root)
        assert twin.stdout is not None
        twin.stdout.close()
        assert twin.wait(30) == 0
    assert list(root.glob("*")) == []
