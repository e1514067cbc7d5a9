"""Machines to set up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patients import ROOT, Patient
from sites import Site
from tiny_file import tiny_model

CATALOGUE = """
models:
  - id: tiny
    description: A test
    publisher: Someone
    licence: MIT
    backend: llama.cpp
    files:
      - name: tiny.gguf
        bytes: {size}
        sha256: {sha256}
        sources:
          - {{kind: hub, repository: someone/tiny, file: tiny.gguf}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Site]:
    """Makes the site of one of the boards in trees.py."""

    def make(board: str | None = None, **how: Any) -> Site:
        return Site(Patient(tmp_path, board, **({"user": ROOT} | how)), tmp_path)

    return make


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a catalogue with a tiny model, which lies in the cache."""
    content, cache = tiny_model(), tmp_path / "cache"
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "tiny.gguf").write_bytes(content)
    monkeypatch.setenv("EDGE_RT_CACHE", str(cache))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    path = tmp_path / "catalogue.yaml"
    sha256 = hashlib.sha256(content).hexdigest()
    path.write_text(CATALOGUE.format(size=len(content), sha256=sha256))
    return path
