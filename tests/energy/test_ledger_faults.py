"""A ledger that cannot be written goes on in memory, says so once, and catches up exactly."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from book_help import TODAY, entry, new_book, sums_of_answers, sums_of_models
from disk_help import failing_disk

from edge_rt.core.system.storage import Storage
from edge_rt.energy.ledger import Book
from edge_rt.energy.ledger_records import KEPT

CHILD = """
import os, sys
from pathlib import Path
from book_help import entry, new_book
"""


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD + code, *arguments]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


def requests(book: Book) -> int:
    return sum(total.requests for total in book.totals(100)[1])


def test_a_failing_disk_is_told_once_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    book = new_book(tmp_path / "ledger.db")
    book.book(entry(1))
    book.flush()
    assert book.stored
    with failing_disk():
        for number in (2, 3):
            book.book(entry(number))
            book.measured(1.0, 0.5, 1.0, 0.0, "measured")
            book.flush()
            assert not book.stored
            assert requests(book) == number
    book.flush()
    assert book.stored
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    book.close()
    again = new_book(tmp_path / "ledger.db")
    assert again.recent(9) == [entry(3), entry(2), entry(1)]
    assert again.totals(1)[0][0].energy_j == 2.0
    assert sums_of_answers(tmp_path / "ledger.db") == sums_of_models(tmp_path / "ledger.db")


def test_what_comes_during_a_failed_flush_comes_after_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = new_book(tmp_path / "ledger.db")
    book.book(entry(1))

    def fail(self: Storage, work: object) -> None:
        book.book(entry(2))
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "do", fail)
        book.flush()
    assert book.recent(9) == [entry(2), entry(1)]
    assert requests(book) == 2
    book.close()


def test_an_error_that_nobody_thought_of_is_told_once_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = new_book(tmp_path / "ledger.db")
    book.book(entry(1 << 70))  # more than SQLite's integers hold: an OverflowError of Python's
    for _ in range(2):
        book.flush()
        assert not book.stored
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "OverflowError" in caplog.text
    assert requests(book) == 1
    book.close()


def test_a_full_database_fails_in_the_middle_of_a_write_and_keeps_no_half(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book = new_book(path)
    book.flush()
    assert book._storage is not None
    book._storage.do(lambda tables: tables._db.execute("PRAGMA max_page_count=8").fetchall())
    for number in range(1, 801):
        book.book(entry(number))
    book.flush()
    assert not book.stored
    assert sums_of_answers(path) == sums_of_models(path) == {}
    book._storage.do(lambda tables: tables._db.execute("PRAGMA max_page_count=1000").fetchall())
    book.flush()
    assert book.stored
    assert requests(book) == 800
    book.close()
    assert sums_of_answers(path) == sums_of_models(path) != {}


def test_memory_is_bounded_and_sums_are_not_touched_by_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book = new_book(path)
    with failing_disk():
        for number in range(KEPT + 500):
            book.book(entry(number))
            if number % 100 == 0:
                book.flush()
        assert len(book.recent(2 * KEPT)) == KEPT
    book.flush()
    assert len(book.recent(2 * KEPT)) == KEPT
    assert book.recent(1)[0].prompt_tokens == KEPT + 499
    assert requests(book) == KEPT + 500
    book.close()


def test_a_place_that_is_no_directory_is_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.write_text("in the way")
    book = new_book(place / "ledger.db")
    book.book(entry())
    book.flush()
    assert not book.stored
    assert requests(book) == 1
    place.unlink()
    book.flush()
    assert book.stored
    book.close()
    assert sums_of_models(place / "ledger.db")[TODAY, "m"][0] == 1


def test_a_directory_that_went_away_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state" / "ledger.db"
    book = new_book(path)
    book.book(entry(1))
    book.flush()
    shutil.rmtree(path.parent)
    book.book(entry(2))
    book.flush()
    assert "is gone" in caplog.text
    assert book.stored
    book.close()
    assert sums_of_answers(path) == sums_of_models(path) == {(TODAY, "m"): (1, 4, 0.5)}


def test_a_read_only_directory_is_no_end(tmp_path: Path) -> None:
    """The child is nobody: root may write anywhere."""
    code = """
path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
book = new_book(path)
book.book(entry())
book.flush()
print(book.stored, len(book.recent(9)), book.totals(1)[1][0].requests)
book.close()
"""
    with tempfile.TemporaryDirectory() as place:  # where nobody gets to, unlike tmp_path
        Path(place).chmod(0o555)
        with child(code, str(Path(place, "ledger.db"))) as process:
            output, _ = process.communicate(timeout=60)
        Path(place).chmod(0o755)
        assert list(Path(place).iterdir()) == []
    assert output.split() == ["False", "1", "1"]
    assert process.returncode == 0


def test_close_says_what_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = new_book(tmp_path / "ledger.db")
    book.book(entry())
    with failing_disk():
        book.close()
    assert "1 request and the sums of 1 day are lost" in caplog.text


def test_a_kill_in_the_middle_of_writing_leaves_whole_sums(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    code = """
book = new_book(Path(sys.argv[1]))
for number in range(10**9):
    book.book(entry(number % 50, model="abc"[number % 3]))
    book.measured(1.0, 0.5, 1.0, 0.0, "measured")
    if number % 20 == 0:
        book.flush()
        print(number + 1, flush=True)
"""
    for enough in (1, 30, 200):
        with child(code, str(path)) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(enough)]
            process.kill()
        book = new_book(path)
        found = requests(book)
        assert found >= int(lines[-1])
        assert len(book.recent(10**6)) == found
        assert book.totals(1)[0][0].energy_j == found
        book.close()
        assert sums_of_answers(path) == sums_of_models(path)
        path.unlink()


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    code = """
book = new_book(Path(sys.argv[1]))
for number in range(1, 101):
    book.book(entry(number, model=sys.argv[2]))
    book.measured(1.0, 0.5, 1.0, 0.0, "measured")
    book.flush(everything=True)
book.close()
print(book.stored)
"""
    both = [child(code, str(path), model) for model in ("one", "one")]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == ["True", "True"]
    assert sums_of_models(path) == sums_of_answers(path) == {(TODAY, "one"): (200, 20200, 2525.0)}


def test_a_file_that_is_locked_for_long_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_rt.core.system.database.BUSY_S", 0.01)
    path = tmp_path / "ledger.db"
    book = new_book(path)
    book.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    book.book(entry())
    book.flush()
    assert not book.stored
    assert requests(book) == 1
    other.close()
    book.flush()
    assert book.stored
    assert requests(book) == 1
    book.close()
