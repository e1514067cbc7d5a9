"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("edge_rt", deadline=None)  # a shared machine is no stopwatch
settings.load_profile("edge_rt")

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "all-minilm-l6-v2"


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real model that the default tests run on; `tools/test` fetches it."""
    return _fetched(SMOLLM2)


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the real embedding model: model.onnx and tokenizer.json."""
    return _fetched(f"{MINILM}/model.onnx").parent


def _fetched(name: str) -> Path:
    cache = os.environ.get("EDGE_RT_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "edge-rt"
    )
    path = Path(cache, "models", name)
    assert path.is_file(), f"{path} is missing: run tools/test, which fetches it"
    return path
