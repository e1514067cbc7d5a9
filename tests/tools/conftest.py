"""The tools are not installed; they import each other from their own directory."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import llama_wheel

Script = Callable[[Path, str], Path]


@pytest.fixture
def script() -> Script:
    """Write an executable at a path from its text, `#!` line included."""

    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


@pytest.fixture
def nvcc(tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CUDA's compiler, where JetPack has it."""
    path = script(tmp_path / "cuda/bin/nvcc", "")
    monkeypatch.setattr(llama_wheel, "NVCC", path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory that the tools use."""
    path = tmp_path / "cache"
    path.mkdir()
    monkeypatch.setenv("EDGE_RT_CACHE", str(path))
    return path
