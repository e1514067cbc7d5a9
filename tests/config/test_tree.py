"""YAML becomes plain data with the line of every key, and nothing clever."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config import tree as yaml_tree
from edge_rt.config.boards import SHIPPED
from edge_rt.config.tree import Tree, parse
from edge_rt.core.errors import ConfigError

BOARDS = sorted(SHIPPED.glob("*.yaml"))
SCALARS = ["a", "'b'", '"c"', "", "1", "0x1f", "1_000", "1:30", "1.5", "yes", "~", "2024-01-01"]
LINES = st.builds(
    lambda depth, mark, text: " " * depth + mark + text,
    st.integers(0, 3),
    st.sampled_from(["", "a: ", "b: ", "- ", "c: |", "d: >-", "# "]),
    st.sampled_from(SCALARS),
)


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


# --- libyaml and PyYAML's own parser

SCALARS += ["<<", "!!int 7", "!secret x", "&x a", "*x", "# note", "{a: 1}", "[a, ~]", "[", "}", "'"]


def slowly(content: bytes) -> Tree:
    """Return what PyYAML's own parser makes of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_tree, "LOADER", yaml.SafeLoader)
        return parse(content, "f")


@pytest.mark.parametrize("path", BOARDS, ids=[path.stem for path in BOARDS])
def test_boards_are_read_the_same_without_libyaml(path: Path) -> None:
    assert repr(slowly(path.read_bytes())) == repr(parse(path.read_bytes(), "f"))


@given(st.lists(LINES, max_size=6).map("\n".join))
def test_so_is_whatever_can_be_read_without(text: str) -> None:
    try:
        expected = repr(slowly(text.encode()))
    except ConfigError:  # libyaml may do more: `|# text`, a tab in a key
        return
    assert repr(parse(text.encode(), "f")) == expected
