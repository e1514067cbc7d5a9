"""Memory of the board."""

from __future__ import annotations

from faults import figures

from edge_rt.board.readers.cpu import MemoryReader
from edge_rt.testing.board import FakeBoard


def test_memory(tree: FakeBoard) -> None:
    tree.host()
    got = figures(MemoryReader(tree.proc))
    assert got["memory available", "bytes"] == 5_000_000 * 1024
    assert got["memory total", "bytes"] == 8_000_000 * 1024


def test_memory_without_a_figure_is_missing(tree: FakeBoard) -> None:
    tree.host()
    reader = MemoryReader(tree.proc)
    (tree.proc / "meminfo").write_text("MemTotal: 5 kB\nMemAvailable: many kB\n")
    assert list(reader.read()) == [None, 5 * 1024.0]
