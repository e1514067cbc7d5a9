"""Lets tests find the simulated boards of the benchmarks, and the helpers beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers unfound
