"""The fixtures of the house, and the folder of helpers."""

from __future__ import annotations

import sys
from pathlib import Path

from house import kit, tree

__all__ = ["kit", "tree"]

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers unfound
