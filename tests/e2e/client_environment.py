"""Environments with clients of other projects, as their packages are."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import sys
from pathlib import Path

from bootstrap.logged import run_logged

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def client_environment(extra: str, cache: Path) -> Path:
    """The folder of the programs of an environment with that extra of pyproject.toml alone.

    It is made once and kept below `cache` until the extra is another.
    """
    wanted, python = requirements(extra), "{}.{}".format(*sys.version_info)
    digest = hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:16]
    home = cache / "clients" / extra / digest
    done = home / "done"
    if not done.exists():
        shutil.rmtree(home.parent, ignore_errors=True)
        log = cache / f"logs/{extra}.log"
        run_logged([sys.executable, "-m", "venv", str(home)], log)
        run_logged([str(home / "bin/python"), "-m", "pip", "install", *wanted], log)
        done.touch()
    return home / "bin"


def requirements(extra: str) -> list[str]:
    """What the extra names; a list of TOML without tables is one of Python."""
    pattern = rf"^{extra} = (\[.*?\])$"
    found = re.search(pattern, PROJECT.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return ast.literal_eval(found[1])
