"""What `pip install` of the wheel gives answers on its own, without a checkout or a service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from installlib.source import copy_tree


def pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def fresh(place: Path) -> Path:
    """The bin folder of an environment with the wheel, and what it needs from here."""
    copy_tree(place / "tree")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", place, place / "tree")
    (wheel,) = place.glob("edge_rt-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    python = place / "venv/bin/python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    (site,) = place.glob("venv/lib/python*/site-packages")
    (site / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python.parent


@pytest.mark.whole
def test_a_fresh_environment_answers(tmp_path: Path, store: Path) -> None:
    programs = fresh(tmp_path)
    code = "import edge_rt; print(edge_rt.__file__)"
    where = subprocess.run(
        [programs / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert str(programs.parent) in where.stdout
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"models": {"store": str(store)}, "engine": {"threads": 1}}))
    words = ["run", "--standalone", "--config", str(config), "--temperature", "0"]
    words += ["--max-tokens", "16", "What is the capital of France?"]
    done = subprocess.run(
        [programs / "edge-rt", *words],
        cwd=tmp_path,
        env=os.environ | {"STATE_DIRECTORY": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 3
    assert "smollm2-135m-instruct" in done.stderr
