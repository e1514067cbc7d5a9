"""The `.venv` of the checkout and the stamp that says what is in it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.progress import Progress

# Settings of pip's that say where packages come from and which. Others, such as `user`, `target` or
# `require-hashes`, say what an environment of ours cannot do.
_PIP_SETTINGS = (
    *("index-url", "extra-index-url", "find-links", "no-index", "constraint", "build-constraint"),
    *("trusted-host", "proxy", "cert", "client-cert", "keyring-provider"),
    *("timeout", "default-timeout", "retries", "cache-dir", "no-cache-dir"),
)
# tokenizers names it, and imports it only to fetch from a hub, which the daemon never does.
UNUSED = ("huggingface-hub", "hf-xet")
# `user` and others are options of `pip config list`, too, which would list only a part.
_PIP_LISTS_ALL = {f"PIP_{name}": "0" for name in ("USER", "GLOBAL", "SITE", "QUIET", "VERBOSE")}
_PROBE = "import sys, importlib.util as u; u.find_spec('pip').name; print(sys.version.split()[0])"


@dataclass(frozen=True)
class Stamp:
    """What was installed: digests of pyproject.toml's part in it, and of `wheel`'s recipe."""

    project: str
    wheel: str
    cmake_args: str
    extras: tuple[str, ...]


class Venv:
    """One virtual environment at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin/python"
        self._stamp = path / "edge-rt-setup.json"

    def command(self, name: str) -> Path:
        """The program `name` that a package installed."""
        return self.path / "bin" / name

    def works(self) -> bool:
        """Return whether its Python starts, has pip and is the one it was made for.

        An upgrade of the system's Python leaves a link to the new one beside old packages.
        """
        try:
            said = subprocess.run(
                [self.python, "-c", _PROBE], capture_output=True, text=True, check=True
            ).stdout
            return _minor(said) == self.version
        except (OSError, ValueError, subprocess.CalledProcessError):
            return False

    @property
    def version(self) -> tuple[int, int]:
        """The Python that it was made for, as (3, 11). Raises OSError or ValueError."""
        lines = (self.path / "pyvenv.cfg").read_text().splitlines()
        named = [line.partition("=")[2] for line in lines if line.startswith("version")]
        return _minor(" ".join(named))

    def create(self, log: Path, progress: Progress | None = None) -> None:
        """Make it again with the Python that runs this."""
        with progress or Progress("Creating .venv"):
            run_logged([sys.executable, "-m", "venv", "--clear", str(self.path)], log)

    def install(
        self,
        checkout: Path,
        wheel: Path,
        stamp: Stamp,
        log: Path,
        progress: Progress | None = None,
        pins: Sequence[str] = (),
    ) -> None:
        """Install `wheel` and the package with `stamp.extras`, editable; then set the stamp.

        `pins` are requirements such as "click==8.2".
        """
        old = self.stamp()
        self._stamp.unlink(missing_ok=True)
        source = checkout if os.access(checkout, os.W_OK) else self._linked(checkout)
        extras = f"[{','.join(stamp.extras)}]" if stamp.extras else ""
        with progress or Progress("Installing Python packages") as shown:
            if old is None or old.wheel != stamp.wheel:
                # A wheel of the same version with other build options is a different one.
                run_pip(self.python, ["install", "--force-reinstall", "--no-deps", str(wheel)], log)
            words = ["install", "--editable", f"{source}{extras}", *pins]
            run_pip(self.python, words, log, on_line=lambda line: _report(shown, line))
            run_pip(self.python, ["uninstall", "--yes", *UNUSED], log)
        self._stamp.write_text(json.dumps(asdict(stamp), indent=1) + "\n")

    def stamp(self) -> Stamp | None:
        """Return what the last finished setup installed; None when there was none."""
        try:
            fields = json.loads(self._stamp.read_text())
            return Stamp(extras=tuple(fields.pop("extras")), **fields)
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return None

    def _linked(self, checkout: Path) -> Path:
        """Make a folder of links to `checkout`, in which setuptools may write, and return it."""
        place = self.path / "checkout"
        shutil.rmtree(place, ignore_errors=True)
        (place / "tools").mkdir(parents=True)
        packages = ("edge_rt", "tools/edge_rt_convert")
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", *packages):
            (place / name).symlink_to(checkout / name)
        return place


def run_pip(
    python: Path,
    words: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] = os.environ,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Run the pip of `python` as run_logged does; of its settings only _PIP_SETTINGS count.

    `words` begin with pip's command. Raises SetupError.
    """
    heeded = pip_environment(python, words[0], env)
    run_logged([str(python), "-m", "pip", *words], log, env=heeded, on_line=on_line)


def pip_environment(python: Path, command: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` for a `command` of pip, with what the user's files and variables say of
    _PIP_SETTINGS, and without all else that they say. Raises SetupError.
    """
    asked, whole = [str(python), "-m", "pip", "config", "list"], {**env, **_PIP_LISTS_ALL}
    done = subprocess.run(asked, env=whole, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"{done.stderr.rstrip()}\npip cannot read its settings: see `pip config`.")
    said: dict[str, dict[str, str]] = {}
    for place, name, value in re.findall(r"^(\S+)\.(\S+?)=(['\"].*)$", done.stdout, re.MULTILINE):
        said.setdefault(place, {})[name] = str(ast.literal_eval(value))
    found = {k: v for place in ("global", command, ":env:") for k, v in said.get(place, {}).items()}
    kept = {name: value for name, value in env.items() if not name.startswith("PIP_")}
    for name in _PIP_SETTINGS:
        if name in found:
            kept[f"PIP_{name.upper().replace('-', '_')}"] = found[name]
    return kept | {"PIP_CONFIG_FILE": os.devnull}


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.strip().split(".")[:2]
    return int(major), int(minor)


def _report(progress: Progress, line: str) -> None:
    if line.startswith(("Collecting ", "Downloading ", "Installing collected", "Building ")):
        progress.update(None, line)
