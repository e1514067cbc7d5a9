"""Lets tests find the helpers beside them and the trees of boards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# pytest's importlib mode leaves helpers unfound.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "board"))
sys.path.insert(0, str(Path(__file__).parents[2] / "twin"))

from trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty board."""
    return Tree(tmp_path / "board")
