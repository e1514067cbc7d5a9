"""YAML becomes plain data with the line of every key, and nothing clever."""

from __future__ import annotations

import pytest

from edge_rt.config.tree import parse
from edge_rt.errors import ConfigError


def test_lines_are_those_of_the_keys() -> None:
    tree = parse(b"# top\na:\n  b: 1\n  c:\n    - x\n    - y\n", "f")
    assert tree.data == {"a": {"b": 1, "c": ["x", "y"]}}
    assert tree.line(("a", "b")) == 3
    assert tree.line(("a", "c", 1)) == 6
    assert tree.line(("a", "absent")) == 2


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b"a: 1\nb: [1\n", 3, "YAML"),
        (b"a: 1\n\tb: 2\n", 2, "YAML"),
        (b"a: 1\n---\nb: 2\n", 2, "document"),
        (b"a: *x\n", 1, "alias"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"a: 1\nb: \x07\n", 2, "character"),
        (b'a: "\\UFFFFFFFF"\n', None, "YAML"),
        (b"!!python/object:os.system {}\n", 1, "tag"),
        (b"a: " + b"[" * 5000, None, "deep"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(
    content: bytes, line: int | None, word: str
) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        parse(content, "f")
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("content", "key", "line"),
    [
        (b"a: 1\nb: 2\na: 3\n", "a", 3),
        (b"a: &x [1]\nb: *x\n", "b", 2),
        (b"b:\n  - &x [*x]\n", "b[0][0]", 2),
        (b"[1]: 2\n", "", 1),
        (b"a: !secret b\n", "a", 1),
        (b"a: !!bool maybe\n", "a", 1),
        (b"a: .inf\n", "a", 1),
        (b"a: 99999999999999999999\n", "a", 1),
        (b"a: 0b_\n", "a", 1),
        (b"a: !!int ''\n", "a", 1),
    ],
)
def test_values_that_cannot_be_used_are_faults_and_left_out(
    content: bytes, key: str, line: int
) -> None:
    [fault] = parse(content, "f").faults
    assert (fault.key, fault.line) == (key, line)


def test_a_billion_laughs_are_not_expanded() -> None:
    rows = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    assert len(parse("\n".join(rows).encode(), "f").faults) == 59


@pytest.mark.parametrize("text", ["2024-01-01", "<<", "="])
def test_dates_and_merges_are_text(text: str) -> None:
    assert parse(f"a: {text}\n".encode(), "f").data == {"a": text}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\n", "f").data == {"a": 1}
