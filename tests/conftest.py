"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("edge_rt", deadline=None)  # a shared machine is no stopwatch
settings.load_profile("edge_rt")

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real model that the default tests run on; `tools/test` fetches it."""
    cache = os.environ.get("EDGE_RT_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "edge-rt"
    )
    path = Path(cache, "models", SMOLLM2)
    assert path.is_file(), f"{path} is missing: run tools/test, which fetches it"
    return path
