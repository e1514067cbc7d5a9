"""A process and all its threads are bound to cores, and let go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Generator
from pathlib import Path

import pytest
from knob_help import BOOT, at_once

from edge_rt.governor.knobs.journal import Journal
from edge_rt.governor.knobs.knob import KnobError, KnobGone
from edge_rt.governor.knobs.programs import Affinity, affinity_knob, affinity_target, begun_at
from edge_rt.governor.knobs.turner import Turner
from edge_rt.testing.board import FakeBoard

THREADS = """
import threading
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


class Board:
    """Threads and their cores, below a /proc of the test's."""

    def __init__(self, tree: FakeBoard, threads: int = 3) -> None:
        self.tree = tree
        self.cores: dict[int, set[int]] = {}
        self.births = 0  # threads that begin while others are bound
        tree.process(42, 7)
        for thread in range(42, 42 + threads):
            self.begin(thread, {0, 1, 2, 3})

    def begin(self, thread: int, cores: set[int]) -> None:
        self.cores[thread] = cores
        (self.tree.proc / "42" / "task" / str(thread)).mkdir(parents=True)

    def get(self, thread: int) -> set[int]:
        return self.cores[thread]

    def set(self, thread: int, cores: Collection[int]) -> None:
        if not set(cores) & {0, 1, 2, 3}:
            raise OSError(22, "Invalid argument")
        before = self.cores[thread]
        if self.births:
            self.births -= 1
            self.begin(max(self.cores) + 1, set(before))
        self.cores[thread] = set(cores) & {0, 1, 2, 3}

    def knob(self) -> Affinity:
        return Affinity(42, 0, self.tree.proc, self.get, self.set)


def test_all_threads_are_bound(tree: FakeBoard) -> None:
    board = Board(tree)
    knob = board.knob()
    assert knob.read() == [0, 1, 2, 3]
    knob.write([1, 2])
    assert set(map(frozenset, board.cores.values())) == {frozenset({1, 2})}
    assert knob.read() == [1, 2]


def test_threads_that_begin_meanwhile_are_bound_too(tree: FakeBoard) -> None:
    board = Board(tree)
    board.births = 5
    board.knob().write([0])
    assert len(board.cores) == 8
    assert set(map(frozenset, board.cores.values())) == {frozenset({0})}


def test_a_process_that_makes_threads_for_ever_does_not_hold_us(tree: FakeBoard) -> None:
    board = Board(tree)
    board.births = 10_000
    with pytest.raises(KnobError, match="faster than"):
        board.knob().write([0])


def test_cores_that_are_not_there_are_told(tree: FakeBoard) -> None:
    board = Board(tree)
    with pytest.raises(KnobError, match=r"none of the cores \[8, 9\]"):
        board.knob().write([8, 9])
    with pytest.raises(KnobError, match="none of the cores"):
        Affinity(os.getpid(), begun_at(os.getpid()) or 0).write([1 << 70])
    board.knob().write([3, 8])
    assert board.knob().read() == [3]


def test_a_process_of_another_user_is_told(tree: FakeBoard) -> None:
    def refuse(_thread: int, _cores: Collection[int]) -> None:
        raise PermissionError

    board = Board(tree)
    with pytest.raises(KnobError, match="the process belongs to another user"):
        Affinity(42, 0, tree.proc, board.get, refuse).write([0])


def test_a_later_process_of_the_same_number_is_another(tree: FakeBoard) -> None:
    board = Board(tree)
    knob = Affinity(42, 12, tree.proc, board.get, board.set)
    for attempt in (knob.read, lambda: knob.write([0])):
        with pytest.raises(KnobGone, match="process 42 has ended"):
            attempt()
    assert board.cores[42] == {0, 1, 2, 3}


def test_the_name_finds_the_process_again(tree: FakeBoard) -> None:
    Board(tree)
    target = affinity_target(42, [3, 1, 3], tree.proc)
    assert target.value == [1, 3]
    again = affinity_knob(target.knob.name, tree.proc)
    assert again is not None
    assert again.name == target.knob.name
    assert affinity_knob("affinity of everything", tree.proc) is None
    with pytest.raises(KnobGone):
        affinity_target(43, [0], tree.proc)


@pytest.fixture
def child() -> Generator[subprocess.Popen[str]]:
    """A real process of four threads."""
    command = [sys.executable, "-c", THREADS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def cores_of(pid: int) -> list[set[int]]:
    threads = Path("/proc", str(pid), "task").iterdir()
    return [os.sched_getaffinity(int(thread.name)) for thread in threads]


def test_a_real_process_is_bound_and_let_go_by_the_next_start(
    child: subprocess.Popen[str], tmp_path: Path
) -> None:
    mine = os.sched_getaffinity(0)
    one = min(mine)
    journal = Journal(tmp_path / "knobs.json")
    Turner(journal, affinity_knob, BOOT, at_once).turn(affinity_target(child.pid, [one]))
    assert cores_of(child.pid) == [{one}] * 4
    Turner(journal, affinity_knob, BOOT, at_once).restore()
    assert cores_of(child.pid) == [mine] * 4
    assert journal.entries() == ()


def test_a_process_that_has_ended_is_dropped(child: subprocess.Popen[str], tmp_path: Path) -> None:
    journal = Journal(tmp_path / "knobs.json")
    turner = Turner(journal, affinity_knob, BOOT, at_once)
    turner.turn(affinity_target(child.pid, [min(os.sched_getaffinity(0))]))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it lies there until it is reaped
    assert begun_at(child.pid) is None
    turner.restore()
    assert journal.entries() == ()
    assert turner.outcomes == []  # a dead process is nobody's trouble
