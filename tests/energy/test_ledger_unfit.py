"""A file that is no ledger of ours is put aside, and a new one begun."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from book_help import NOW, Clock, entry, new_book

from edge_rt.core.system.storage import move_aside


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def newer(path: Path) -> None:
    book = new_book(path)
    book.book(entry())
    book.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (name)")


def bare(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=1")


def malformed(path: Path) -> None:
    book = new_book(path)
    for number in range(1000):
        book.book(entry(number))
    book.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def truncated(path: Path) -> None:
    malformed(path)
    with path.open("r+b") as file:
        file.truncate(5000)


def aside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("*.corrupt-*"))


@pytest.mark.parametrize("spoil", [garbage, bare, malformed, truncated])
@pytest.mark.parametrize("first", ["write", "read"])
def test_it_is_moved_aside_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], first: str
) -> None:
    path = tmp_path / "ledger.db"
    spoil(path)
    before = path.read_bytes()
    book = new_book(path)
    if first == "read":
        assert book.recent(5) == []
    book.book(entry())
    book.flush()
    assert book.stored
    assert book.recent(5) == [entry()]
    assert len(book.totals(5)[1]) == 1
    book.close()
    assert aside(path) == [f"ledger.db.corrupt-{int(NOW)}"]
    assert len(Path(tmp_path, aside(path)[0]).read_bytes()) == len(before)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "moved to" in caplog.text
    assert new_book(path).recent(5) == [entry()]


def text(path: Path) -> None:
    path.write_text("a-board\n")


def named_pipe(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("hostname", text),
        ("config.yaml", text),
        ("songs.sqlite", foreign),
        ("songs.db", foreign),
        ("ledger.db", newer),
        ("pipe.db", named_pipe),
        ("folder.db", directory),
    ],
)
def test_what_belongs_to_others_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    make(path)
    before = (path.stat(), path.read_bytes() if path.is_file() else None)
    book = new_book(path)
    book.book(entry())
    book.flush()
    assert book.recent(5) == [entry()]
    assert not book.stored
    book.close()
    assert list(tmp_path.iterdir()) == [path]
    assert (path.stat().st_ino, path.stat().st_mode) == (before[0].st_ino, before[0].st_mode)
    assert before[1] is None or path.read_bytes() == before[1]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize("path", ["/", "/proc/self/stat/ledger.db", "/dev/null"])
def test_a_place_where_no_file_can_be_leaves_all_in_memory(path: str) -> None:
    book = new_book(Path(path))
    book.book(entry())
    book.flush()
    assert not book.stored
    assert book.recent(5) == [entry()]
    book.close()
    assert not Path(f"{path}-wal").exists()


def test_damage_while_it_is_open_costs_only_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book = new_book(path)
    book.book(entry(1))
    book.close()
    book.flush(everything=True)  # opens it again
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    book.book(entry(2))
    book.flush()
    book.flush()
    assert book.stored
    assert book.recent(1) == [entry(2)]
    book.close()
    assert new_book(path).recent(1) == [entry(2)]


def test_two_are_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", Clock()
    other = tmp_path / "ledger.db.corrupt-me-not"
    other.write_text("somebody's own")
    for _ in range(4):
        garbage(path)
        book = new_book(path, clock)
        book.flush()
        book.close()
        clock.go_by(10.0)
    assert aside(path) == [
        f"ledger.db.corrupt-{int(NOW) + 20}",
        f"ledger.db.corrupt-{int(NOW) + 30}",
        other.name,
    ]


def test_a_wal_that_was_left_behind_goes_with_its_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for tail in ("", "-wal", "-shm"):
        Path(f"{path}{tail}").write_text(f"old{tail}")
    assert move_aside(path, NOW) == tmp_path / f"ledger.db.corrupt-{int(NOW)}"
    found = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert found == {
        f"ledger.db.corrupt-{int(NOW)}{tail}": f"old{tail}" for tail in ("", "-wal", "-shm")
    }


def test_a_wal_of_another_file_is_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    garbage(path)
    Path(f"{path}-wal").write_bytes(b"old pages")
    book = new_book(path)
    book.book(entry())
    book.close()
    assert new_book(path).recent(5) == [entry()]
