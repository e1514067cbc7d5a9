"""Blocks fit the room that there is, and count what they leave out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from edge_rt.cli.views.blocks import ViewBlock, ViewCell, arrange, bar, shortened, sparkline

CELLS = st.builds(
    ViewCell,
    st.text(max_size=40),
    st.text("0123456789.- W", max_size=12),
    st.none() | st.floats(-1, 2),
)
BLOCKS = st.builds(
    ViewBlock,
    st.text(max_size=14),
    st.lists(CELLS, max_size=40),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(BLOCKS, max_size=8), st.integers(1, 200), st.integers(0, 60))
def test_no_picture_is_larger_than_the_room(
    blocks: list[ViewBlock], width: int, height: int
) -> None:
    lines = arrange(blocks, width, height)
    assert len(lines) <= height
    assert all(cell_len(line.plain) <= width for line in lines)


def names(count: int, **how: object) -> ViewBlock:
    return ViewBlock("b", [ViewCell(f"cell{n}", "1") for n in range(count)], **how)  # type: ignore[arg-type]


@given(st.integers(1, 60), st.integers(1, 20), st.booleans())
def test_what_is_shown_and_what_is_counted_is_all(count: int, height: int, rows: bool) -> None:
    text = "\n".join(line.plain for line in names(count, rows=rows).lines(80, height))
    more = re.search(r"\+(\d+) more", text)
    assert text.count("cell") + (int(more[1]) if more else 0) == count


def test_the_last_block_gives_way_first_and_each_keeps_a_line() -> None:
    first = names(5, rows=True, least=3)
    last = ViewBlock("last", first.cells, least=2, rows=True)
    heights: list[tuple[int, int]] = []
    for height in (10, 8, 6, 4, 2):
        lines = [line.plain for line in arrange([first, last], 80, height)]
        start = next(n for n, line in enumerate(lines) if line.startswith("last"))
        heights.append((start, len(lines) - start))
    assert heights == [(5, 5), (5, 3), (4, 2), (3, 1), (1, 1)]


def test_a_blank_line_comes_only_where_there_is_room() -> None:
    blocks = [names(1), names(1, apart=True)]
    assert [line.plain == "" for line in arrange(blocks, 80, 3)] == [False, True, False]
    assert len(arrange(blocks, 80, 2)) == 2


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "    "), (None, "    "), (0.5, "██  "), (1 / 32, "▏   "), (1.0, "████"), (7.0, "████")],
)
def test_a_bar_is_as_long_as_its_share(share: float | None, text: str) -> None:
    assert bar(share, 4) == text


def test_a_sparkline_leaves_gaps_where_nothing_is_known() -> None:
    assert sparkline([9.0, 0.0, None, 2.0, 4.0], 4) == "▁ ▅█"  # the 9 is too long ago
    assert sparkline([None], 4) == sparkline([], 4) == sparkline([0.0], 4) == ""


@given(st.text(max_size=30), st.integers(1, 20))
def test_a_name_takes_exactly_its_room(text: str, width: int) -> None:
    assert cell_len(shortened(text, width)) == width
