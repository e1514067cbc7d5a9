"""The board of the tests of knobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.testing.board import FakeBoard


@pytest.fixture
def tree(tmp_path: Path) -> FakeBoard:
    """An empty board."""
    return FakeBoard(tmp_path / "board")
