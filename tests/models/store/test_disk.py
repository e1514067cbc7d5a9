"""Turns and tidiness on the disk that models are kept on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edge_rt.core.errors import StoreError
from edge_rt.models.store.disk import NoSpace, clear, locked, told_when_full

LONG_S = 60.0  # for another thread to do its part


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "above" / "work" / "lock"


def refused(lock: Path) -> bool:
    """Return whether somebody holds the lock."""
    try:
        with locked(lock, wait=False):
            return False
    except StoreError:
        return True


def test_one_at_a_time_holds_it(lock: Path) -> None:
    with locked(lock):
        assert refused(lock)
    assert not refused(lock)


def test_its_folder_is_made_and_cleared_with_all_that_is_in_it(lock: Path) -> None:
    with locked(lock):
        (lock.parent / "folder").mkdir()
        (lock.parent / "folder" / "file").touch()
        (lock.parent / "file").touch()
        clear(lock)
    assert not lock.parent.exists()
    assert lock.parent.parent.exists()


def test_who_waited_for_a_deleted_lock_holds_the_one_that_others_find(lock: Path) -> None:
    holds, ends = threading.Event(), threading.Event()

    def wait_and_hold() -> None:
        with locked(lock):
            holds.set()
            assert ends.wait(LONG_S)

    other = threading.Thread(target=wait_and_hold)
    with locked(lock):
        other.start()
        time.sleep(0.2)  # most likely it waits by then
        clear(lock)
    assert holds.wait(LONG_S)
    assert refused(lock)
    ends.set()
    other.join()


def test_a_full_disk_is_told_with_its_directory(tmp_path: Path) -> None:
    with (
        pytest.raises(NoSpace, match=f"^{tmp_path}: No space left on device$"),
        told_when_full(tmp_path),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
