"""Trees of boards, and the clock of the sampler."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import Faults

from edge_rt.testing.board import FakeBoard, FakeClock


@pytest.fixture
def tree(tmp_path: Path) -> FakeBoard:
    """An empty tree."""
    return FakeBoard(tmp_path / "board")


@pytest.fixture
def faults() -> Faults:
    """Files that fail when told to."""
    return Faults()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands until it is set."""
    return FakeClock()
