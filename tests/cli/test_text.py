"""Figures keep their digits, and what is missing is a dash."""

from __future__ import annotations

import fcntl
import io
import math
import os
import pty
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.cli.text import counted, fitted, fixed, joules, line, number, significant, whole


@pytest.mark.parametrize("value", [None, "5", True, math.nan, math.inf, 10**400, [], {}])
def test_what_is_no_figure_is_a_dash(value: object) -> None:
    assert number(value) is None
    shown = {significant(value), fixed(value, 2), joules(value), whole(value)}
    assert shown == {"-"}
    assert counted(value, "thing") == "- things"
    assert (counted(1, "thing"), counted(2.0, "thing")) == ("1 thing", "2 things")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.01234, "0.0123"),
        (5.934, "5.93"),
        (12, "12.0"),
        (123.4, "123"),
        (1234.5, "1234"),
        (999.7, "1000"),
        (432123, "432123"),
        (-12.44, "-12.4"),
    ],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.4, "12.4 J"), (9999, "9999 J"), (432123, "432 kJ"), (12_345_678, "12.3 MJ")],
)
def test_energies_have_the_unit_that_fits(value: float, text: str) -> None:
    assert joules(value) == text


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_no_figure_is_off_by_more_than_its_last_digit(value: float) -> None:
    assert math.isclose(float(significant(value)), value, rel_tol=0.0051)


@given(st.text())
def test_text_is_one_line_without_orders_to_the_terminal(text: str) -> None:
    shown = line(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in shown)


@pytest.fixture
def narrow() -> Iterator[TextIO]:
    """A terminal of 30 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        yield terminal
    os.close(ours)


def test_a_narrow_terminal_breaks_no_word(narrow: TextIO) -> None:
    text = "\nNothing is booked here.\n  a power cap of 12 W in /etc/edge-rt/a-very-long-name.yaml"
    shown = fitted(text, narrow)
    assert shown.split() == text.split()
    assert max(len(line) for line in shown.splitlines() if "/" not in line) <= 30
    assert shown.splitlines()[2:4] == [
        "  a power cap of 12 W in",
        "    /etc/edge-rt/a-very-long-name.yaml",
    ]


def test_what_no_terminal_shows_keeps_its_lines() -> None:
    text = "a sentence that is longer than any terminal is wide, " * 9
    assert fitted(text, io.StringIO()) == fitted(text, None) == text
