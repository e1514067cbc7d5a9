"""The simulated procfs knows the watched processes and no other."""

from __future__ import annotations

import os
from pathlib import Path

from plants import shape_of

from edge_rt.board.readers.cpu import MemoryReader
from edge_rt.twin.filesystem import Folders
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.tree import HostFiles

GIB = 1 << 30


def available(root: Path, resident_bytes: int, free_bytes: int) -> tuple[float, float]:
    folders = Folders(root)
    files = HostFiles(folders, shape_of("jetson-nano-4gb"), free_bytes=lambda: free_bytes)
    files.show(0.1, 0.0, WatchedUsage(0.0, resident_bytes, ()))
    left, total = MemoryReader(folders.proc).read()
    assert left is not None
    assert total is not None
    return left, total


def test_memory_is_the_board_s_less_what_the_watched_hold(tmp_path: Path) -> None:
    alone, total = available(tmp_path, 0, 64 * GIB)
    assert 3 * GIB < alone < total < 4 * GIB
    held, _ = available(tmp_path, GIB, 64 * GIB)
    assert alone - held == GIB


def test_no_more_memory_is_promised_than_this_machine_has(tmp_path: Path) -> None:
    assert available(tmp_path, 0, GIB)[0] == GIB
    assert available(tmp_path, 8 * GIB, GIB)[0] == 0


def test_watched_processes_are_found_by_their_numbers(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    files = HostFiles(folders, shape_of("jetson-nano-4gb"))
    for _ in range(2):
        files.show(1.0, 3.0, WatchedUsage(3.0, 0, (os.getpid(),)))
    assert (folders.proc / str(os.getpid()) / "stat").read_text().startswith(f"{os.getpid()} (")
    busy, idle = (int(n) for n in (folders.proc / "stat").read_text().split()[1:5:3])
    assert (busy, idle) == (6 * os.sysconf("SC_CLK_TCK"), 2 * os.sysconf("SC_CLK_TCK"))


def test_who_has_ended_is_found_no_more(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    files = HostFiles(folders, shape_of("jetson-nano-4gb"))
    own, parent = os.getpid(), os.getppid()
    for pids in ((own, parent), (own,), (own, parent), ()):
        files.show(1.0, 0.0, WatchedUsage(0.0, 0, pids))
        links = {int(place.name) for place in folders.proc.iterdir() if place.name.isdigit()}
        assert links == set(pids)
