"""A number in a file is read and written, or the message says which file and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_rt.governor.knobs.knob import FileKnob, KnobError, KnobGone, failure


@pytest.mark.parametrize("content", ["1510400\n", "1510400        \n", "1510400 kHz"])
def test_the_first_word_is_the_value_and_a_shorter_one_replaces_it(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "scaling_max_freq"
    path.write_text(content)
    knob = FileKnob(path)
    assert knob.read() == 1_510_400
    knob.write(7)
    assert (knob.read(), path.read_text()) == (7, "7\n")


@pytest.mark.parametrize("content", ["", "\n", "<unsupported>\n"])
def test_what_is_no_number_is_an_error_and_not_zero(tmp_path: Path, content: str) -> None:
    (tmp_path / "pwm1").write_text(content)
    with pytest.raises(KnobError, match="holds no number"):
        FileKnob(tmp_path / "pwm1").read()


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    knob = FileKnob(tmp_path / "policy0" / "scaling_max_freq")
    for attempt in (knob.read, lambda: knob.write(1)):
        with pytest.raises(KnobGone, match="scaling_max_freq is gone"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_number_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "pwm1").write_text("9")
    with pytest.raises(KnobError, match="takes a number"):
        FileKnob(tmp_path / "pwm1").write("15W")
    assert (tmp_path / "pwm1").read_text() == "9"


def test_a_fifo_is_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pwm1")
    knob = FileKnob(tmp_path / "pwm1")
    for attempt in (knob.read, lambda: knob.write(1), knob.check_writable):
        with pytest.raises(KnobError, match="not a regular file"):
            attempt()


def test_to_see_whether_a_file_may_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "pwm1").write_text("9")
    FileKnob(tmp_path / "pwm1").check_writable()
    assert (tmp_path / "pwm1").read_text() == "9"


@pytest.mark.parametrize(
    ("number", "done", "remedy"),
    [
        (errno.EACCES, "written", "chmod g+w /sys/x"),
        (errno.EPERM, "read", "chmod g+r /sys/x"),
        (errno.EROFS, "written", "ProtectKernelTunables"),
        (errno.EACCES, "written", "chgrp edge-rt-knobs /sys/x"),
        (errno.EBUSY, "read", "tried again later"),
        (errno.EIO, "written", "/sys/x cannot be written (Input/output error)"),
    ],
)
def test_the_message_names_the_file_and_the_remedy(number: int, done: str, remedy: str) -> None:
    cause = OSError(number, {errno.EIO: "Input/output error"}.get(number, "no"))
    message = str(failure(Path("/sys/x"), cause, done))
    assert message.startswith(f"/sys/x cannot be {done}")
    assert remedy in message
