"""A file is begun, renewed or put aside as its schema says, and done without while it fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from disk_help import failing_disk

from edge_rt.core.system.database import File, Schema
from edge_rt.core.system.storage import Storage

FIRST = Schema("diary", 1, {"days": "CREATE TABLE days (name TEXT)"})
SECOND = Schema(
    "diary",
    2,
    {"days": "CREATE TABLE days (name TEXT, mood TEXT)"},
    further=["CREATE INDEX by_mood ON days (mood)"],
)
THIRD = Schema("diary", 3, {"days": "CREATE TABLE days (name TEXT)"}, oldest=3)
OTHER = Schema("songs", 1, {"songs": "CREATE TABLE songs (name TEXT)"}, elsewhere="name another")
NEWER = (63, 1)  # makes the version a later one
NUMBERS = (17, 18, 19, 31, 36, 39, 47, 59, 63, 67, 71)  # places of the last bytes of some


class Diary(File):
    """Days, the first of which go first."""

    def add(self, *names: str) -> None:
        with self.transaction():
            self._db.executemany("INSERT INTO days (name) VALUES (?)", [(n,) for n in names])

    def rows(self) -> list[tuple[object, ...]]:
        return self._db.execute("SELECT * FROM days").fetchall()

    def drop_some(self) -> bool:
        with self.transaction():
            query = "DELETE FROM days WHERE rowid IN (SELECT MIN(rowid) FROM days)"
            return self._db.execute(query).rowcount > 0


def storage(path: Path, schema: Schema, max_bytes: int = 1 << 20) -> Storage[Diary]:
    open_ = lambda: Diary(path, schema, max_bytes, 16)  # noqa: E731
    return Storage(path, schema, open_, lambda: 5.0, "no diary is kept")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "diary.db"


def begun(path: Path, schema: Schema) -> None:
    one = storage(path, schema)
    one.do(lambda diary: diary.add("monday"))
    one.close()


def test_what_is_written_is_there_again(path: Path) -> None:
    begun(path, SECOND)
    again = storage(path, SECOND)
    assert again.do(Diary.rows) == [("monday", None)]
    again.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()


def test_an_older_file_is_renewed(path: Path) -> None:
    begun(path, FIRST)
    again = storage(path, SECOND)
    assert again.do(Diary.rows) == [("monday", None)]
    again.close()


def test_a_version_that_is_no_longer_read_is_put_aside(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun(path, SECOND)
    again = storage(path, THIRD)
    assert again.do(Diary.rows) == []
    again.close()
    assert "is no diary" in caplog.text
    assert [file.name for file in path.parent.glob("*.corrupt-*")] == ["diary.db.corrupt-5"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file that is as it should be."""
    path = tmp_path_factory.mktemp("whole") / "diary.db"
    begun(path, SECOND)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("place", "change"),
    [(place, 0xFF) for place in range(100)]
    + [(n, bit) for n in NUMBERS for bit in (1, 2, 0x80) if (n, bit) != NEWER],
)
def test_a_damaged_head_costs_no_more_than_the_file(
    path: Path, whole: bytes, place: int, change: int
) -> None:
    """One is put aside that SQLite cannot use; but for counters, which it does not need."""
    content = bytearray(whole)
    content[place] ^= change
    path.write_bytes(content)
    again = storage(path, SECOND)
    rows = again.attempt(Diary.rows)
    assert rows is not None, again.trouble.told
    assert bool(rows) != bool(list(path.parent.glob("*.corrupt-*")))
    assert again.attempt(lambda diary: diary.add("tuesday") or True, proves=True)
    assert again.attempt(lambda diary: diary.give_back() or True)
    again.close()


def test_a_newer_version_is_left_alone_and_told_until_it_is_gone(path: Path) -> None:
    begun(path, SECOND)
    before = path.read_bytes()
    again = storage(path, FIRST)
    for _ in range(2):
        assert again.attempt(lambda diary: diary.add("tuesday") or True, proves=True) is None
        told = f"no diary is kept: {path}: it is of a newer edge_rt (version 2, this one knows 1)"
        assert str(again.trouble.told).startswith(told)
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.corrupt-*")) == []
    path.unlink()
    assert again.attempt(lambda diary: diary.add("tuesday") or True, proves=True)
    assert again.trouble.told is None
    again.close()


@pytest.mark.parametrize("damage", [(b"days", b"dayz"), (b"CREATE", b"cREATE")])
def test_ours_is_known_though_its_tables_are_damaged(
    path: Path, damage: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    begun(path, FIRST)
    path.write_bytes(path.read_bytes().replace(*damage))
    again = storage(path, FIRST)
    assert again.attempt(Diary.rows) is not None
    assert again.attempt(lambda diary: diary.add("tuesday") or True)
    again.close()


def test_a_file_that_fails_is_done_without_and_told_until_it_is_written_again(path: Path) -> None:
    one = storage(path, FIRST)
    one.do(lambda diary: diary.add("monday"))
    with failing_disk():
        assert one.attempt(lambda diary: diary.add("tuesday") or True, proves=True) is None
        assert one.attempt(Diary.rows) == [("monday",)]
        told = one.trouble.told
        assert told is not None
        assert told.startswith(f"no diary is kept: {path}: ")
    assert one.attempt(Diary.rows) == [("monday",)]
    assert one.trouble.told == told  # reading proves nothing
    assert one.attempt(lambda diary: diary.add("tuesday") or True, proves=True)
    assert one.trouble.told is None
    one.close()


def test_an_error_that_nobody_thought_of_is_one_of_the_files(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = storage(path, FIRST)
    assert one.attempt(lambda diary: 1 / 0) is None
    assert "ZeroDivisionError" in caplog.text
    one.close()


def test_another_programs_file_is_left_alone(path: Path) -> None:
    begun(path, FIRST)
    with pytest.raises(sqlite3.NotSupportedError, match="name another"):
        storage(path, OTHER).do(Diary.rows)
    assert [file.name for file in path.parent.iterdir()] == ["diary.db"]


def test_a_file_that_was_deleted_is_begun_anew(path: Path) -> None:
    one = storage(path, FIRST)
    one.do(lambda diary: diary.add("monday"))
    path.unlink()
    assert one.do(Diary.rows) == []
    one.close()


def test_nothing_of_a_transaction_that_fails_is_kept(path: Path) -> None:
    one = storage(path, FIRST)

    def fail(diary: Diary) -> None:
        with diary.transaction():
            diary._db.execute("INSERT INTO days VALUES ('monday')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        one.do(fail)
    assert one.do(Diary.rows) == []
    one.close()


def test_room_is_made_and_given_back(path: Path) -> None:
    one = storage(path, FIRST)
    day = "x" * 4000
    for _ in range(10):
        one.do(lambda diary: diary.add(*[day] * 50))
    full = one.do(lambda diary: diary.used_bytes)
    one.do(lambda diary: diary.make_room(1 << 19))
    assert one.do(lambda diary: diary.used_bytes) < full
    one.do(File.give_back)
    one.close()
    assert path.stat().st_size < full
