"""A file is replaced as a whole or not at all, and is on the disk by then."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from disk_help import failing_disk
from unreadable import KINDS

from edge_rt.core.errors import ConfigError
from edge_rt.core.files import read_yaml, replace_file


def test_it_is_replaced_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for content, mode in ((b"one", 0o644), (b"two", 0o600)):
        replace_file(path, content, mode)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_where_it_cannot_be_written_the_old_content_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    with failing_disk(), pytest.raises(OSError, match="large"):
        replace_file(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_the_content_is_on_the_disk_before_its_name_is_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, sync = tmp_path / "file", list[tuple[bool, list[str]]](), os.fsync

    def watched(descriptor: int) -> None:
        names = sorted(file.name for file in tmp_path.iterdir())
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), names))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    replace_file(path, b"content")
    assert synced == [(False, [".file.new"]), (True, ["file"])]


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_regular_file_of_modest_size_is_read(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path / "file.yaml")
    with pytest.raises(ConfigError, match=f"^{path}: cannot be read: (not a regular|more than)"):
        read_yaml(path)


def test_the_null_device_is_an_empty_file_also_behind_a_link(tmp_path: Path) -> None:
    masked = tmp_path / "config.yaml"
    masked.symlink_to("/dev/null")
    assert read_yaml(Path("/dev/null")) is None
    assert read_yaml(masked) is None
