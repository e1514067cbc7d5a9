"""CPU time is counted once, for the whole family, from the first look on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rt.twin.load import WatchedLoad

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def process(
    proc: Path, pid: int, ticks: int, parent: int = 10, state: str = "S", pages: int = 3
) -> None:
    fields = [str(parent)] + ["0"] * 9 + [str(ticks), "1"] + ["0"] * 8 + [str(pages)] + ["0"] * 20
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a ) b) {state} {' '.join(fields)}")


def test_only_what_is_used_while_watching_counts(tmp_path: Path) -> None:
    load = WatchedLoad(10, tmp_path)
    process(tmp_path, 10, 1000, parent=1)
    process(tmp_path, 20, 500)
    process(tmp_path, 25, 500, parent=1)
    first = load.look()
    assert first is not None
    assert (first.busy_s, first.pids, first.resident_bytes) == (0.0, (10, 20), 6 * PAGE)
    process(tmp_path, 10, 1007, parent=1)
    process(tmp_path, 20, 502)
    # Born since: all that it used counts, with the tick of its system time.
    process(tmp_path, 30, 4, parent=20)
    second = load.look()
    assert second is not None
    assert second.busy_s == pytest.approx(14 * TICK_S)


def test_a_child_that_ends_takes_nothing_back(tmp_path: Path) -> None:
    load = WatchedLoad(10, tmp_path)
    process(tmp_path, 10, 1, parent=1)
    process(tmp_path, 20, 1000)
    load.look()
    (tmp_path / "20" / "stat").unlink()
    process(tmp_path, 10, 3, parent=1)
    usage = load.look()
    assert usage is not None
    assert usage.busy_s == pytest.approx(2 * TICK_S)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_it_ends_with_the_process_even_if_nobody_reaps_it(tmp_path: Path, state: str) -> None:
    load = WatchedLoad(10, tmp_path)
    process(tmp_path, 10, 1)
    assert load.look() is not None
    process(tmp_path, 10, 1, state=state)
    assert load.look() is None
    (tmp_path / "10" / "stat").unlink()
    assert load.look() is None


def test_it_never_counts_itself(tmp_path: Path) -> None:
    load = WatchedLoad(10, tmp_path)
    process(tmp_path, 10, 1)
    process(tmp_path, os.getpid(), 1)
    usage = load.look()
    assert usage is not None
    assert usage.pids == (10,)


def test_it_finds_real_processes() -> None:
    usage = WatchedLoad(os.getppid() if os.getppid() > 1 else os.getpid()).look()
    assert usage is not None
    assert usage.resident_bytes > 0
