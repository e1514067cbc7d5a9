"""However a process is killed while it turns knobs or puts them back, the next one restores all."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from knob_help import at_once

from edge_rt.governor.knobs.board_knobs import by_name
from edge_rt.governor.knobs.journal import Journal
from edge_rt.governor.knobs.turner import Turner, boot_id
from edge_rt.testing.board import FakeBoard

Die = Callable[[int], int]
PROGRAM = Path(__file__).with_name("mortal.py")


def mini_pc(tree: FakeBoard) -> FakeBoard:
    """A board with four policies."""
    tree.policy(0, "0 1", 1_000_000, 2_000_000, 400_000)
    tree.policy(2, "2 3", 1_000_000, 1_800_000, 400_000)
    tree.policy(4, "4 5", 1_000_000, 1_600_000, 400_000)
    tree.policy(6, "6 7", 1_000_000, 1_500_000, 400_000)
    tree.write(tree.proc / "sys/kernel/random", {"boot_id": "this-boot"})
    return tree


def settings(tree: FakeBoard) -> dict[str, str]:
    """Return what every file of the board says."""
    files = [path for path in tree.sysfs.rglob("*") if path.is_file()]
    return {str(path): path.read_text() for path in files}


@pytest.fixture
def die(tree: FakeBoard, tmp_path: Path) -> Iterator[Die]:
    """Turns the knobs of `tree` and dies at a step; returns the exit code."""
    command = [sys.executable, str(PROGRAM), str(tree.sysfs.parent), str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as program:

        def at(step: int) -> int:
            assert program.stdin is not None
            assert program.stdout is not None
            print(step, file=program.stdin, flush=True)
            code = int(program.stdout.readline())
            assert code in (0, -signal.SIGKILL)
            return code

        yield at


def recover(tree: FakeBoard, state: Path) -> None:
    root = tree.sysfs.parent
    journal = Journal(state / "knobs.json")
    journal.hold()
    Turner(journal, lambda n: by_name(n, root), boot_id(root), at_once).restore()
    journal.release()
    assert journal.entries() == ()


def test_killed_at_any_step_every_knob_is_back(tree: FakeBoard, tmp_path: Path, die: Die) -> None:
    before = settings(mini_pc(tree))
    steps = 0
    turned = 0
    for at in range(1000):
        code = die(at)
        turned += settings(tree) != before
        recover(tree, tmp_path)
        assert settings(tree) == before
        if code == 0:
            break
        steps += 1
    assert steps >= 40
    assert turned >= 20


def test_killed_at_start_after_start_the_first_original_wins(
    tree: FakeBoard, tmp_path: Path, die: Die
) -> None:
    before = settings(mini_pc(tree))
    for at in (14, 3, 9, 20, 25, 5):
        assert die(at) == -9
    recover(tree, tmp_path)
    assert settings(tree) == before


def test_killed_after_the_board_was_set_anew_its_settings_are_kept(
    tree: FakeBoard, tmp_path: Path, die: Die
) -> None:
    mini_pc(tree)
    assert die(20) == -9
    policy = tree.sysfs / "devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    assert policy.read_text() == "1200000\n"
    tree.write(tree.proc / "sys/kernel/random", {"boot_id": "next-boot"})
    recover(tree, tmp_path)
    assert policy.read_text() == "1200000\n"
