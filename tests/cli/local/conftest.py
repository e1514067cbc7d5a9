"""Machines to set up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patients import ROOT, Patient
from sites import Site
from tiny_file import tiny_catalogue, tiny_model


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
    path.write_text(tiny_catalogue(content))
    return path
