"""Formulas that are the same, and formulas that are not."""

from __future__ import annotations

import pytest
from evallib.formula import normal, same_formula
from hypothesis import given
from hypothesis import strategies as st

SAME = [
    ("\\dfrac{3}{4}", "\\frac{3}{4}"),
    ("\\frac34", "\\frac{3}{4}"),
    ("3/4", "\\frac{3}{4}"),
    ("0.75", "\\frac34"),
    ("\\frac{6}{8}", "\\frac{3}{4}"),
    (".5", "0.5"),
    ("-\\frac{1}{2}", "-0.5"),
    ("\\frac{-1}{2}", "-\\frac{1}{2}"),
    ("1\\frac{1}{2}", "\\frac{3}{2}"),
    ("12,345", "12345"),
    ("12{,}345", "12,\\!345"),
    ("\\$36", "36"),
    ("36\\%", "36"),
    ("45^\\circ", "45"),
    ("45^{\\circ}", "45°"),
    ("45\\text{ degrees}", "45^\\circ"),
    ("12\\text{ cm}^2", "12"),
    ("x = 5", "5"),
    ("f(x)=x+1", "x+1"),
    ("\\text{Anna}", "Anna"),
    ("\\text{even}", "Even"),
    ("\\left( 1, \\frac{1}{2} \\right)", "(1,0.5)"),
    ("1, 2, 3", "3,1,2"),
    ("\\{1, 2\\}", "\\{2,1\\}"),
    ("\\sqrt2", "\\sqrt{2}"),
    ("2\\sqrt{3}", "2 \\sqrt 3"),
    ("10.", "10"),
    ("\\(7\\)", "7"),
    ("x^{2}+1", "x^2+1"),
    ("x \\in [0,1)", "[0,1)"),
    ("52_{8}", "52_8"),
    ("(2,\\infty)", "(2, \\infty)"),
    ("\\text{(B)}", "(B)"),
]
OTHER = [
    ("1", "2"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "[1,2]"),
    ("(1,2)", "1,2"),
    ("1,2", "1,2,3"),
    ("1,2", "1,2,2"),
    ("\\sqrt{2}", "2"),
    ("\\frac{1}{2}", "\\frac{2}{1}"),
    ("x+1", "1+x"),
    ("x=5", "y=6"),
    ("y = 2x", "y = 3x"),
    ("-3", "3"),
    ("12,345", "(12,345)"),
    ("", "0"),
    ("1/0", "0"),
    ("52_8", "52"),
    ("\\pi", "3.14"),
    ("A", "a"),
]


@pytest.mark.parametrize(("answer", "reference"), SAME)
def test_ways_of_writing_the_same_are_the_same(answer: str, reference: str) -> None:
    assert same_formula(answer, reference)
    assert same_formula(reference, answer)


@pytest.mark.parametrize(("answer", "reference"), OTHER)
def test_what_is_something_else_is_not(answer: str, reference: str) -> None:
    assert not same_formula(answer, reference)
    assert not same_formula(reference, answer)


@given(st.text("0123456789x+-=(),.[]{}\\$% fracsqrtboxe^_", max_size=30))
def test_every_text_is_itself_and_its_normal_form(text: str) -> None:
    assert same_formula(text, text)
    assert same_formula(normal(text), text) or normal(normal(text)) != normal(text)
