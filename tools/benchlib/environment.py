"""Environments with pinned packages under the cache, for what must not lie beside our own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.progress import Progress

from benchlib import BenchError

_PIP = ("-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes")


def environment(requirements: Path, module: str, cache: Path) -> Path:
    """The Python of an environment that has `requirements`; made on first use.

    It is there when `module` can be imported. The first line of `requirements` names it. Raises
    BenchError when it cannot be made.
    """
    name = requirements.read_text().split()[0].replace("==", "-")
    home = cache / f"bench/{name}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python = home / "bin/python"
    if not _has(python, module):
        _make(home, python, requirements, cache / f"logs/bench-{name}.log")
    return python


def _has(python: Path, module: str) -> bool:
    try:
        done = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def _make(home: Path, python: Path, requirements: Path, log: Path) -> None:
    try:
        with Progress("Fetching the peer"):
            run_logged([sys.executable, "-m", "venv", "--clear", str(home)], log)
            run_logged([str(python), *_PIP, "-r", str(requirements)], log)
    except SetupError as error:
        raise BenchError(f"the peer cannot be installed: {error}") from error
