"""Caches in a file, on a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cache_help import NOW

from edge_rt.generation.cache.exact import ExactCache
from edge_rt.testing.board import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
def make(path: Path, clock: FakeClock) -> Callable[..., ExactCache]:
    """Makes caches over one file."""

    def made(**options: Any) -> ExactCache:
        usual = {"ttl_s": 1000.0, "max_bytes": 1 << 20, "memory_bytes": 1 << 16, "clock": clock}
        return ExactCache(path, **{**usual, **options})

    return made
