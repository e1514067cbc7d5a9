"""The journal keeps what it was given, in order, and never half of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_rt.governor.knobs.journal import Journal, JournalEntry
from edge_rt.governor.knobs.knob import KnobBusy, KnobError, Value


def entry(knob: str, original: Value = 5, came: Value | None = None) -> JournalEntry:
    return JournalEntry(knob=knob, original=original, wanted=3, came=came, boot_id="b")


def test_no_file_is_an_empty_journal_and_makes_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "knobs.json")
    assert journal.entries() == ()
    assert journal.get("fan") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [0, -3, 1 << 40, "MAXN", "15W"])
def test_another_process_finds_what_was_put(tmp_path: Path, value: Value) -> None:
    path = tmp_path / "state" / "knobs.json"
    Journal(path).put(entry("a", value, value))
    assert Journal(path).entries() == (entry("a", value, value),)


def test_entries_stay_in_the_order_of_their_first_put(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "knobs.json")
    for name in "abc":
        journal.put(entry(name))
    journal.put(entry("a", came=3))
    journal.drop("b")
    journal.drop("nobody")
    assert [(e.knob, e.came) for e in journal.entries()] == [("a", 3), ("c", None)]
    assert journal.get("c") == entry("c")


def test_a_draft_that_a_crash_left_is_not_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "knobs.json")
    journal.put(entry("a"))
    (tmp_path / ".knobs.json.new").write_bytes(b'[{"knob": "b", "orig')
    assert journal.entries() == (entry("a"),)
    journal.put(entry("c"))
    assert [e.knob for e in journal.entries()] == ["a", "c"]


@pytest.mark.parametrize(("number", "busy"), [(errno.ENOSPC, True), (errno.EROFS, False)])
def test_a_full_disk_may_have_room_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, busy: bool
) -> None:
    def fail(path: Path, content: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("edge_rt.governor.knobs.journal.replace_file", fail)
    with pytest.raises(KnobError, match=os.strerror(number)) as raised:
        Journal(tmp_path / "knobs.json").put(entry("a"))
    assert isinstance(raised.value, KnobBusy) == busy


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"{}", b'[{"knob": "a"}]', b"\xff\xfe", b'[{"knob": "\xe1"}]', b"[" * 5000],
)
def test_a_damaged_file_is_an_error_that_says_what_to_do_and_stays(
    tmp_path: Path, content: bytes
) -> None:
    journal = Journal(tmp_path / "knobs.json")
    journal.path.write_bytes(content)
    for attempt in (journal.entries, lambda: journal.put(entry("a")), lambda: journal.drop("a")):
        with pytest.raises(KnobError, match="remove the file"):
            attempt()
    assert journal.path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    journal = Journal(tmp_path / "state" / "knobs.json")
    for attempt in (journal.hold, lambda: journal.put(entry("a"))):
        with pytest.raises(KnobError, match="without a journal"):
            attempt()


def test_one_daemon_at_a_time_holds_it(tmp_path: Path) -> None:
    first, second = (Journal(tmp_path / "knobs.json") for _ in range(2))
    first.hold()
    first.hold()
    with pytest.raises(KnobError, match="another daemon"):
        second.hold()
    first.release()
    second.hold()
    second.release()


def test_it_is_readable_by_people(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "knobs.json")
    journal.put(entry("/sys/x"))
    text = journal.path.read_text()
    assert '"knob": "/sys/x"' in text
    assert text.endswith("\n")
    assert list(tmp_path.iterdir()) == [journal.path]
