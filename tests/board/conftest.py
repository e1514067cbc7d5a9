"""Trees of boards, and the clock of the sampler."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers unfound

from faults import FakeClock, Faults
from trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty tree."""
    return Tree(tmp_path / "board")


@pytest.fixture
def faults() -> Faults:
    """Files that fail when told to."""
    return Faults()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands until it is set."""
    return FakeClock()
