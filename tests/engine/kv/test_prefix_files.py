"""A beginning comes back as it was, or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prefix_help import head, state

from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader, look, read, write

STATE = state(1, blocks=2)


@pytest.fixture
def folder(tmp_path: Path) -> PrefixFolder:
    return PrefixFolder(tmp_path / "prefixes")


def file_of(folder: PrefixFolder, head: PrefixHeader) -> Path:
    return folder.path / f"{head.name}.prefix"


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.prefix"
    size = write(path, head(1), STATE)
    assert read(path) == (head(1), STATE)
    whole = look(path)
    assert whole is not None
    assert (whole.head, whole.size) == (head(1), size)
    assert size == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


def test_only_this_user_can_read_it(folder: PrefixFolder) -> None:
    folder.write(head(1), STATE)
    assert stat.S_IMODE(file_of(folder, head(1)).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_damaged_anywhere_is_no_beginning(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x.prefix"
    write(path, head(1), STATE)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(flipped), whole[:place], whole + b"\0", b"\0" * place):
        path.write_bytes(damaged)
        assert read(path) is None


def test_a_scan_finds_what_is_whole_and_deletes_the_rest(folder: PrefixFolder) -> None:
    for number in (1, 2, 3, 4):
        folder.write(head(number), state(number, blocks=1))
    cut, moved = file_of(folder, head(2)), file_of(folder, head(3))
    cut.write_bytes(cut.read_bytes()[:-1])
    moved.rename(moved.with_name("another.prefix"))
    left = folder.path / f".{head(5).name}.prefix.new"
    left.write_bytes(b"half")
    mine = folder.path / "notes.txt"
    mine.write_text("not a prefix")
    assert {whole.head for whole in folder.scan()} == {head(1), head(4)}
    kept = {file_of(folder, head(1)), file_of(folder, head(4)), mine}
    assert set(folder.path.iterdir()) == kept


class Older(msgspec.Struct, array_like=True):
    """A head of another version."""

    key: str = "k"


def test_a_head_of_another_version_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.prefix"
    write(path, cast(PrefixHeader, Older()), STATE)
    assert look(path) is None
    assert read(path) is None


def test_what_was_damaged_since_the_scan_is_deleted_when_it_is_read(folder: PrefixFolder) -> None:
    folder.write(head(1), STATE)
    file = file_of(folder, head(1))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert [whole.head for whole in folder.scan()] == [head(1)]
    assert folder.read(head(1).name) is None
    assert not file.exists()
    assert folder.read(head(1).name) is None


def test_what_is_of_another_text_is_not_taken_for_it(folder: PrefixFolder) -> None:
    folder.write(head(1), STATE)
    file_of(folder, head(1)).rename(file_of(folder, head(2)))
    assert folder.read(head(2).name) is None
    assert not list(folder.path.iterdir())


def test_texts_keys_and_clients_have_names_of_their_own() -> None:
    heads = [head(1), head(2), head(1, client="uid:2"), head(1, key=b"other")]
    assert len({one.name for one in heads}) == len(heads)
    assert head(1, made=5.0).name == head(1).name


@pytest.fixture
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefixFolder]:
    """A folder with one beginning, in which this process may delete nothing."""
    with tempfile.TemporaryDirectory() as place:  # where nobody gets to, unlike tmp_path
        Path(place).chmod(0o755)
        folder = PrefixFolder(Path(place, "prefixes"))
        folder.write(head(1), STATE)
        user = os.geteuid()
        if user == 0:  # root may delete anything
            for path in (folder.path, file_of(folder, head(1))):
                os.chown(path, 65534, 65534)
            os.seteuid(65534)
        folder.path.chmod(0o500)
        yield folder
        os.seteuid(user)
        folder.path.chmod(0o700)


def test_what_cannot_be_deleted_is_emptied(locked: PrefixFolder) -> None:
    assert locked.delete(head(1).name)
    assert file_of(locked, head(1)).stat().st_size == 0
    assert locked.read(head(1).name) is None


def test_what_can_neither_be_deleted_nor_emptied_is_an_error_and_not_used_anew(
    locked: PrefixFolder,
) -> None:
    file_of(locked, head(1)).chmod(0o400)
    with pytest.raises(PermissionError):
        locked.delete(head(1).name)
    with pytest.raises(PermissionError, match="nothing can be deleted"):
        locked.scan()
    locked.path.chmod(0o700)
    assert locked.scan() == []  # somebody has protected it
    file_of(locked, head(1)).chmod(0o600)
    assert [whole.head for whole in locked.scan()] == [head(1)]


def test_a_use_is_noted(folder: PrefixFolder) -> None:
    folder.write(head(1), STATE)
    folder.use(head(1).name, 1000.0)
    assert [whole.used for whole in folder.scan()] == [1000.0]
    folder.use(head(2).name, 1000.0)  # it was deleted meanwhile


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = PrefixFolder(tmp_path / "file" / "prefixes")
    with pytest.raises(OSError, match="file"):
        folder.write(head(1), STATE)


def test_a_disk_that_is_all_but_full_is_left_to_others(folder: PrefixFolder) -> None:
    free = os.statvfs(folder.path.parent)
    more = free.f_bavail * free.f_frsize

    class Huge(bytearray):
        def __len__(self) -> int:
            return more

    with pytest.raises(OSError, match="all but full"):
        folder.write(head(1), Huge())
    assert not list(folder.path.iterdir())
