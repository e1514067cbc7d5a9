"""No number and no id is cut in any table, however wide the terminal is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from screens import GOLDEN, ID, LIKE, VIEWS, candidate, golden, screen, shown

from edge_rt.cli.tables import PairTable, TextTable, wrapped

Daemon = Any  # the scripted daemon of conftest.py
Terminal = Any

WIDE = 1 << 14
NAME = st.text("abcdefgh0123456789-._@", min_size=1, max_size=70)
FIGURE = st.none() | st.floats(0, 1e15)
WIDTH = st.integers(30, 200)


@pytest.mark.parametrize(("name", "width"), GOLDEN)
def test_screens_look_as_they_were_read(name: str, width: int) -> None:
    text = screen(name, width)
    assert text == golden(name, width).read_text()
    assert max(map(cell_len, text.splitlines())) <= width
    assert {ID, LIKE} <= {word.strip(",:") for word in text.split()}


@pytest.mark.parametrize("name", VIEWS)
@given(st.lists(NAME, min_size=1, max_size=3), FIGURE, st.integers(1, 10**12), WIDTH)
def test_every_id_and_number_is_whole_at_any_width(
    name: str, models: list[str], figure: float | None, count: int, width: int
) -> None:
    content = VIEWS[name](models, figure, count)
    whole, narrow = (
        Counter(word.rstrip(":") for word in shown(content, columns).split())
        for columns in (WIDE, width)
    )
    assert not [word for word in whole - narrow if any(map(str.isdigit, word))]
    assert all(any(model in word for word in narrow) for model in models)
    assert name == "sensors" or any(str(count) in word for word in narrow)


@given(st.lists(st.tuples(NAME, NAME, NAME), min_size=1), WIDTH)
def test_a_table_is_no_wider_than_the_terminal_but_for_longer_words(
    rows: list[tuple[str, ...]], width: int
) -> None:
    for line in shown(TextTable(["a", "b", ""], rows, text=["a"]), width).splitlines():
        assert cell_len(line) <= width or cell_len(max(line.split(), key=cell_len)) > width - 4


def test_rows_become_paragraphs_where_they_are_too_wide() -> None:
    rows = [["smollm2-135m", "8.23", "5.00", ""], ["big", "12.4", "6.00", ""]]
    table = TextTable(["model", "J", "W", "none"], rows, [True, False], text=["model"])
    assert shown(table, 26).splitlines() == [
        "  model            J     W",
        "* smollm2-135m  8.23  5.00",
        "  big           12.4  6.00",
    ]
    assert shown(table, 25).splitlines() == [
        "* smollm2-135m",
        "    J: 8.23  W: 5.00",
        "  big",
        "    J: 12.4  W: 6.00",
    ]
    assert shown(table, 12).splitlines() == [
        "* smollm2-135m",
        "    J: 8.23",
        "    W: 5.00",
        "  big",
        "    J: 12.4",
        "    W: 6.00",
    ]


def test_a_word_that_is_wider_than_the_terminal_is_left_to_it() -> None:
    sha256 = "0123456789abcdef" * 4
    assert sha256 in shown(PairTable([("sha256", sha256), ("kind", "language")]), 40).split()
    assert sha256 in shown(TextTable(["sha256"], [[sha256]]), 40).split()


def test_a_number_keeps_its_unit() -> None:
    assert wrapped("about 8.23 W of 12 W", 8) == ["about", "8.23 W", "of 12 W"]


def test_a_narrow_terminal_gets_paragraphs(
    daemon: Daemon, terminal: Terminal, environ: dict[str, str]
) -> None:
    environ |= {"COLUMNS": "40", "LINES": "24"}
    document = {"candidates": [candidate(ID, 8.23, 9, chosen=True)]}
    daemon.documents["/edge/v1/plan"] = (200, document)
    shell = terminal("plan", "Why?")
    assert f"* {ID}\n    threads: 2  seconds: 8.23 s\n" in shell.rest()
