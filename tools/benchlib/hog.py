"""A process that wants one core for itself."""

from __future__ import annotations

import sys
from pathlib import Path

from benchlib.process import Child


def hog(directory: Path) -> Child:
    """Start it; the scheduler may put it on any core. Use it as a context manager."""
    return Child([sys.executable, "-c", "while True: pass"], directory / "hog.log")
