"""Lets tests find the helpers beside them."""

from __future__ import annotations

import sys
from pathlib import Path

from house import kit

__all__ = ["kit"]

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers unfound
sys.path.insert(0, str(Path(__file__).parents[1] / "database"))  # and these are not ours
