"""Caches in a file, on a clock that the test sets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers unfound
sys.path.insert(0, str(Path(__file__).parents[2] / "database"))  # and these are not ours

from cache_help import NOW, Clock

from edge_rt.generation.cache.exact import ExactCache


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
def make(path: Path, clock: Clock) -> Callable[..., ExactCache]:
    """Makes caches over one file."""

    def made(**options: Any) -> ExactCache:
        usual = {"ttl_s": 1000.0, "max_bytes": 1 << 20, "memory_bytes": 1 << 16, "clock": clock}
        return ExactCache(path, **{**usual, **options})

    return made
