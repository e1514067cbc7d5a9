"""What is done is found again, whatever happened to the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from evallib import EvalError
from evallib.journal import Journal
from evallib.record import Key, Record


def key(item: str = "1", edge: str = "{}") -> Key:
    return Key("gsm8k", item, "m", edge, "fp_1", "abc")


def record(item: str = "1", **said: object) -> Record:
    return Record(key=key(item), way="m", text="é\n7", **said)  # pyright: ignore


def written(path: Path, *records: Record) -> Path:
    journal = Journal(path)
    for one in records:
        journal.add(one)
    journal.close()
    return path


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    file = written(
        tmp_path / "deep/er/j.jsonl", record("1", energy_j=1.5, correct=True), record("2")
    )
    found = Journal(file)
    assert list(found) == [record("1", energy_j=1.5, correct=True), record("2")]
    assert found.done(key("2"))
    assert not found.done(key("3"))
    assert not found.done(key("1", edge='{"mode":"single"}'))


def test_a_torn_line_is_dropped_and_what_follows_is_whole(tmp_path: Path) -> None:
    file = written(tmp_path / "j.jsonl", record("1"), record("2"))
    content = file.read_bytes()
    for cut in range(content.index(b"\n") + 1, len(content)):
        file.write_bytes(content[:cut])
        again = Journal(file)
        assert not again.done(key("2"))
        again.add(record("3"))
        again.close()
        assert [one.key.item for one in Journal(file)] == ["1", "3"]


def test_a_failure_is_kept_and_not_done(tmp_path: Path) -> None:
    found = Journal(written(tmp_path / "j.jsonl", record("1", failed="broke off")))
    assert not found.done(key("1"))
    assert found.get(key("1")) == record("1", failed="broke off")
    found.add(record("1", correct=True))
    assert found.done(key("1"))
    assert len(Journal(tmp_path / "j.jsonl")) == 1


@pytest.mark.parametrize("line", ["no json\n", "[]\n", '{"way": "m"}\n', "\n"])
def test_a_file_that_is_no_journal_is_left_alone(line: str, tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    file.write_text(line)
    with pytest.raises(EvalError, match=r"j\.jsonl:1: no answer"):
        Journal(file)
    assert file.read_text() == line


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvalError, match=r"file/j\.jsonl: "):
        Journal(tmp_path / "file/j.jsonl")
