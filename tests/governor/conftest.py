"""Lets tests find the helpers beside them, and the model board among the tools."""

from __future__ import annotations

import sys
from pathlib import Path

from house import kit, tree

__all__ = ["kit", "tree"]

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tools")]
