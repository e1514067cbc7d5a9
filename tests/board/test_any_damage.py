"""Whatever happens to any file, the others are read on; it says why, and comes back."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from faults import Faults
from trees import BOARDS

from edge_rt.board.discovery import Roots, WantedReaders, discover
from edge_rt.board.readers.modelled import Coefficients
from edge_rt.board.sampler import BoardSampler
from edge_rt.testing.board import FakeBoard, FakeClock

CONTENTS = {
    "garbage": b"\xff\x00what?\n",
    "empty": b"",
    "negative": b"-5\n",
    "huge": b"9" * 400,
    "blank": b" \n\n",
    "not a number": b"nan\n",
}
NUMBERS = ("EAGAIN", "EIO", "ENXIO", "ENODEV", "ENODATA", "EACCES")


def board(tree: FakeBoard, kind: str, clock: FakeClock, faults: Faults) -> BoardSampler:
    """A sampler on a board, after two sweeps, so that every channel has its value."""
    BOARDS[kind](tree)
    roots = Roots(tree.sysfs, tree.proc, tree.dev)
    wanted = WantedReaders(model=Coefficients(2.0, 1.0))
    tree.process(77, 100)
    sampler = BoardSampler(discover(roots, wanted, faults.io, clock).readers, clock)
    sweep(sampler, clock)
    sweep(sampler, clock)
    return sampler


def sweep(sampler: BoardSampler, clock: FakeClock) -> None:
    clock.now += 1.1  # longer than any reader's period
    assert sampler.step(clock.now) == len(sampler.readers)


def state(sampler: BoardSampler) -> dict[tuple[str, str, str], float | None]:
    return {(r.channel.name, r.channel.kind, r.channel.source): r.value for r in sampler.readings()}


def healthy(sampler: BoardSampler) -> set[tuple[str, str, str]]:
    return {key for key, value in state(sampler).items() if value is not None}


def check(sampler: BoardSampler) -> None:
    """Every figure that is missing says why, and none is a made-up 0."""
    for reading in sampler.readings():
        assert (reading.value is None) == (reading.error is not None)
        if reading.error is not None:
            assert reading.error.strip()


@pytest.mark.parametrize("kind", BOARDS)
def test_any_file_may_vanish_and_come_back(
    tree: FakeBoard, clock: FakeClock, faults: Faults, kind: str
) -> None:
    sampler = board(tree, kind, clock, faults)
    before = healthy(sampler)
    for path in sorted(faults.held()):
        content = path.read_bytes()
        path.unlink()
        sweep(sampler, clock)
        check(sampler)
        lost = before - healthy(sampler)
        assert lost, f"nobody misses {path}"
        path.write_bytes(content)
        for _ in range(3):
            sweep(sampler, clock)
        assert healthy(sampler) == before, path
    sampler.close()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("kind", BOARDS)
def test_any_read_may_fail_and_recover(
    tree: FakeBoard, clock: FakeClock, faults: Faults, kind: str, name: str
) -> None:
    sampler = board(tree, kind, clock, faults)
    before = healthy(sampler)
    for path in sorted(faults.held()):
        faults.errors[path] = [getattr(errno, name)]
        sweep(sampler, clock)
        check(sampler)
        assert before - healthy(sampler), path
        del faults.errors[path]
        for _ in range(3):
            sweep(sampler, clock)
        assert healthy(sampler) == before, path
    sampler.close()


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("kind", BOARDS)
def test_any_file_may_hold_nonsense(
    tree: FakeBoard, clock: FakeClock, faults: Faults, kind: str, content: bytes
) -> None:
    sampler = board(tree, kind, clock, faults)
    before, figures = healthy(sampler), state(sampler)
    for path in sorted(faults.held()):
        good = path.read_bytes()
        path.write_bytes(content)
        sweep(sampler, clock)
        check(sampler)
        for key, value in state(sampler).items():
            assert value is None or plausible(key[1], value, figures[key]), (path, key)
        path.write_bytes(good)
        for _ in range(3):
            sweep(sampler, clock)
        assert healthy(sampler) == before, path
    sampler.close()


@pytest.mark.parametrize("kind", BOARDS)
def test_the_whole_board_may_be_pulled(
    tree: FakeBoard,
    tmp_path: Path,
    clock: FakeClock,
    faults: Faults,
    kind: str,
) -> None:
    sampler = board(tree, kind, clock, faults)
    before = healthy(sampler)
    away = shutil.copytree(tree.sysfs, tmp_path / "away", symlinks=True)
    shutil.rmtree(tree.sysfs)
    for _ in range(3):
        sweep(sampler, clock)
        check(sampler)
    assert not {c for c in healthy(sampler) if str(tree.sysfs) in c[2]} - modelled(sampler)
    away.rename(tree.sysfs)
    for _ in range(3):
        sweep(sampler, clock)
    assert healthy(sampler) == before
    sampler.close()


def modelled(sampler: BoardSampler) -> set[tuple[str, str, str]]:
    """Return what needs no more than procfs."""
    return {(c.name, c.kind, c.source) for c in sampler.channels if c.quality == "modelled"}


def plausible(kind: str, value: float, before: float | None) -> bool:
    """Return what a figure may be while one of its files is damaged: in places also -5."""
    low: dict[str, float] = {"temp_c": -100.0, "current_a": -1000.0, "power_w": -1000.0}
    return low.get(kind, 0.0) <= value <= 1e15
