"""Figures keep their digits, and what is missing is a dash."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.cli.text import counted, fixed, joules, line, number, significant, whole


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
