"""What the control group of a process may have of memory, and whom that has cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.core.system.cgroup import Available, ControlGroup, board_memory, memory_share

MB = 1 << 20
SERVICE = "system.slice/edge-rt.service"


def put(root: Path, place: str, **files: object) -> None:
    """Files of a group, whose names have dots for the double lines here."""
    folder = root / "sys/fs/cgroup" / place
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def belong(root: Path, lines: str) -> None:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(lines)


@pytest.fixture
def version2(tmp_path: Path) -> Path:
    """A service without a limit on a machine with version 2."""
    belong(tmp_path, f"0::/{SERVICE}\n")
    for place in ("system.slice", SERVICE):
        put(tmp_path, place, memory__max="max", memory__high="max", memory__current=300 * MB)
        put(tmp_path, place, memory__stat=f"anon 7\ninactive_file {20 * MB}\nactive_file {5 * MB}")
    put(tmp_path, SERVICE, memory__events="low 0\noom 4\noom_kill 3\noom_group_kill 0")
    return tmp_path


@pytest.fixture
def version1(tmp_path: Path) -> Path:
    """A service with a limit where version 2 has no memory in it."""
    belong(tmp_path, f"9:name=systemd:/\n4:cpu,memory:/{SERVICE}\n0::/{SERVICE}\n")
    put(tmp_path, f"memory/{SERVICE}", memory__limit_in_bytes=512 * MB)
    put(tmp_path, f"memory/{SERVICE}", memory__usage_in_bytes=300 * MB)
    stat = f"active_file 1\ntotal_inactive_file {20 * MB}\ntotal_active_file {5 * MB}"
    put(tmp_path, f"memory/{SERVICE}", memory__stat=stat)
    counts = "oom_kill_disable 0\nunder_oom 0\noom_kill 2"
    put(tmp_path, f"memory/{SERVICE}", memory__oom_control=counts)
    put(tmp_path, "memory", memory__limit_in_bytes=(1 << 63) - 4096, memory__usage_in_bytes=MB)
    put(tmp_path, "memory", memory__stat="total_inactive_file 0")
    return tmp_path


def test_without_a_limit_it_has_what_the_board_has(version2: Path) -> None:
    assert ControlGroup(version2).free_bytes() is None


@pytest.mark.parametrize("file", ["memory__max", "memory__high"])
@pytest.mark.parametrize("place", ["system.slice", SERVICE])
def test_the_limit_of_any_group_around_it_holds(version2: Path, place: str, file: str) -> None:
    """Pages of files are no more taken than they are on the board as a whole."""
    group = ControlGroup(version2)
    put(version2, place, **{file: 512 * MB})  # set while the daemon runs
    assert group.free_bytes() == (512 - 300 + 25) * MB
    put(version2, SERVICE, memory__max=400 * MB)
    assert group.free_bytes() == (400 - 300 + 25) * MB
    put(version2, SERVICE, memory__max="max")
    put(version2, place, **{file: "max"})
    assert group.free_bytes() is None


def test_it_may_have_more_than_its_limit(version2: Path) -> None:
    put(version2, SERVICE, memory__max=100 * MB)
    assert ControlGroup(version2).free_bytes() == (100 - 300 + 25) * MB


def test_version_1_has_other_files(version1: Path) -> None:
    assert ControlGroup(version1).free_bytes() == (512 - 300 + 25) * MB
    assert ControlGroup(version1).kills() == 2


def test_whom_the_kernel_killed_in_it_is_counted(version2: Path) -> None:
    assert ControlGroup(version2).kills() == 3


def test_a_container_may_see_no_more_than_its_own_group(version1: Path) -> None:
    belong(version1, "4:memory:/docker/abc\n0::/\n")
    put(version1, "memory", memory__limit_in_bytes=64 * MB)
    assert ControlGroup(version1).free_bytes() == 63 * MB
    assert ControlGroup(version1).kills() is None


@pytest.mark.parametrize("lines", [None, "", "0::/\n", f"0::/{SERVICE}\n", "nonsense"])
def test_where_nothing_is_told_nothing_is_known(tmp_path: Path, lines: str | None) -> None:
    if lines is not None:
        belong(tmp_path, lines)
    assert ControlGroup(tmp_path).free_bytes() is None
    assert ControlGroup(tmp_path).kills() is None


def test_files_that_cannot_be_read_limit_nothing(version2: Path) -> None:
    put(version2, SERVICE, memory__max=100 * MB, memory__current="nonsense", memory__events="")
    assert ControlGroup(version2).free_bytes() is None
    assert ControlGroup(version2).kills() is None


def test_models_have_what_both_board_and_group_leave(version2: Path) -> None:
    """What is kept for others is kept of the board's memory: no others are in the group."""
    board = 1000 * MB
    available = Available(256 * MB, ControlGroup(version2), lambda: board)
    assert (available(), available.limit) == (1000 * MB, "")
    put(version2, SERVICE, memory__max=512 * MB)
    assert available() == (512 - 300 + 25 + 256) * MB
    assert "MemoryMax" in available.limit
    board = 400 * MB
    assert (available(), available.limit) == (400 * MB, "")


def test_some_of_it_is_for_the_engine_itself(version2: Path) -> None:
    board = 1000 * MB
    available = Available(
        256 * MB, ControlGroup(version2), lambda: board, own_bytes=lambda: 64 * MB
    )
    assert available() == 936 * MB
    put(version2, SERVICE, memory__max=512 * MB)
    assert available() == (512 - 300 + 25 + 256 - 64) * MB


def test_a_small_share_is_of_what_limits_most(version2: Path) -> None:
    group = ControlGroup(version2)
    assert memory_share(None, group, board=640 * MB) == 10 * MB
    assert memory_share(None, group, board=1 << 40) == 256 << 20
    assert memory_share(0, group) == 0
    assert memory_share(7 * MB, group, board=64 * MB) == 7 * MB
    assert 0 < memory_share(None, group) <= 256 << 20
    put(version2, SERVICE, memory__max=512 * MB)
    assert memory_share(None, group, board=640 * MB) == 8 * MB
    assert group.limit_bytes() == 512 * MB
    assert memory_share(None, group, board=64 * MB) == MB


def test_the_boards_memory_is_what_the_kernel_tells(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:  2048 kB\nMemAvailable:   512 kB\n")
    assert board_memory("MemTotal", tmp_path) == 2 * MB
    assert board_memory("MemAvailable", tmp_path) == MB // 2
    assert 0 < board_memory("MemAvailable") < board_memory("MemTotal")
