"""What is written is counted by the process and by the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchlib.writes import Written, own_disk, written


def test_the_processes_counts_are_added_up(tmp_path: Path) -> None:
    for pid, count in ((1, 4096), (2, 8192)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "io").write_text(f"wchar: 5\nwrite_bytes: {count}\nrchar: 7\n")
    assert written([1, 2, 3], None, proc=tmp_path) == Written(12288, None)


@pytest.mark.parametrize(("before", "disk"), [(Written(1, 5), 15), (Written(1, None), None)])
def test_what_was_written_in_between(before: Written, disk: int | None) -> None:
    assert Written(11, 20).since(before) == Written(10, disk)


def test_a_disk_of_its_own_counts_what_is_written_to_it(tmp_path: Path) -> None:
    with own_disk(tmp_path) as disk:
        if disk is None:
            pytest.skip("disks can be mounted by root alone")
        before = written([os.getpid()], disk)
        (disk / "file").write_bytes(os.urandom(1 << 20))
        after = written([os.getpid()], disk).since(before)
        assert after.disk is not None
        assert 1 << 20 <= after.disk < 2 << 20
    assert not list((tmp_path / "disk").iterdir())
