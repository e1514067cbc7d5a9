"""Objects that are not written as JSON are read back, and their ends are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.chat_format import CallFormat
from edge_rt.models.answers.values import JSON, PYTHON, ObjectSpan, literal, python_value
from edge_rt.models.answers.writer import write_calls

OWN = '<|"|>'
TEXTS = st.text(st.sampled_from("ab'\"\\\n{}[](),:=<|>é "), max_size=8).filter(
    lambda text: OWN not in f"{OWN[1:]}{text}{OWN[:-1]}"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b c"]), inner, max_size=2)
    ),
    max_leaves=6,
)
STYLES = {
    PYTHON: CallFormat(
        style="literal", before="", between="", after="", brackets="()", equals="=", quote=PYTHON
    ),
    OWN: CallFormat(
        style="literal", before="", between="", after="", brackets="{}", equals=":", quote=OWN
    ),
}


@given(quote=st.sampled_from([PYTHON, OWN]), value=VALUES, cut=st.integers(0, 100))
def test_arguments_read_back(quote: str, value: object, cut: int) -> None:
    format = STYLES[quote]
    text = write_calls(format, [("", {"key": value, "other": 1})])
    assert literal(text, quote, format.equals) == {"key": value, "other": 1}
    span, size = ObjectSpan(quote), min(cut, len(text) - 1)
    assert span.end(text[:size]) is None
    assert span.end(f"{text} and more") == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a='it's', b=\"x\")", {"a": "it's", "b": "x"}),
        ("(a='\\'x\\' \\u00e9\\n\\d')", {"a": "'x' é\n\\d"}),
        (
            "(_limit=5, on=true, off=False, none=null)",
            {"_limit": 5, "on": True, "off": False, "none": None},
        ),
        ("()", {}),
    ],
)
def test_arguments_as_models_write_them(text: str, expected: dict[str, object]) -> None:
    assert literal(text, PYTHON, "=") == expected


@pytest.mark.parametrize("text", ["(a)", "(a=", "(a=1", "(a=)", "(=1 2"])
def test_what_is_no_object_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|substring|ends|Expecting"):
        literal(text, PYTHON, "=")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("['x', {'k': None}]", ["x", {"k": None}]), ("True", True), ("x y", "x y"), ("[1", "[1")],
)
def test_values_that_python_printed(text: str, expected: object) -> None:
    assert python_value(text) == expected


def test_a_quote_may_be_cut_before_it_tells_whether_a_string_ends() -> None:
    span, text = ObjectSpan(PYTHON), "(a='it's')"
    assert [span.end(text[:size]) for size in range(len(text) + 1)] == [None] * len(text) + [10]


def test_long_strings_are_looked_at_once() -> None:
    span, text = ObjectSpan(JSON), '{"a": "'
    for _ in range(2000):
        text += "x" * 50
        assert span.end(text) is None
    assert span.end(f'{text}"}}') == len(text) + 2
