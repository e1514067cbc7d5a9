"""Lines of the log that nobody forges, and that do not tell what was asked."""

from __future__ import annotations

import logging
import sys

import pytest

from edge_rt.core.logs import PlainLines

SECRET = "what somebody asked"


@pytest.fixture
def root_level():
    root = logging.getLogger()
    before = root.level
    yield root.setLevel
    root.setLevel(before)


def line(message: str, *args: object, error: BaseException | None = None) -> str:
    raised = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("edge_rt.x", logging.ERROR, "f", 1, message, args, raised)
    return PlainLines().format(record)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception:
        caught = sys.exc_info()[1]
    assert isinstance(caught, Exception)
    return caught


def test_a_message_is_one_line_whatever_it_holds() -> None:
    said = line("cannot load %s", "x\nERROR edge_rt: all is well\x1b[2J\r\x85\u2028")
    assert said.splitlines() == [said]
    assert said.isprintable()
    assert "x\\x0aERROR" in said


def test_a_failure_tells_where_but_not_what_was_asked(root_level) -> None:
    root_level(logging.INFO)
    said = line("a request failed", error=raised(ValueError(SECRET)))
    assert SECRET not in said
    assert "ValueError" in said
    assert "test_logs.py" in said


def test_nor_does_what_it_came_of(root_level) -> None:
    root_level(logging.INFO)
    try:
        raise KeyError("another") from raised(ValueError(SECRET))
    except KeyError as error:
        said = line("a request failed", error=error)
    assert SECRET not in said
    assert said.index("KeyError") < said.index("ValueError")


def test_it_is_told_to_who_wants_to_know(root_level) -> None:
    root_level(logging.DEBUG)
    assert SECRET in line("a request failed", error=raised(ValueError(SECRET)))


def test_what_the_system_says_is_told(root_level) -> None:
    root_level(logging.INFO)
    said = line("it cannot be written", error=raised(OSError(28, "No space left on device")))
    assert "No space left" in said


def test_only_our_own_lines_begin_at_the_margin(root_level) -> None:
    root_level(logging.DEBUG)
    said = line("it failed", error=raised(ValueError("x\nERROR edge_rt: forged")))
    assert [text[:1] for text in said.splitlines()[1:]] == [" "] * (len(said.splitlines()) - 1)
