"""Lets tests find the helpers beside them, and the benchmarks' among the tools."""

from __future__ import annotations

import sys
from pathlib import Path

from house import kit

__all__ = ["kit"]

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tools")]
