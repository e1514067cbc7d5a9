"""The virtual environment of the service, made beside the one that runs and put in its place."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from bootstrap import SetupError, system
from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from bootstrap.venv import UNUSED, run_pip

from installlib.files import Layout
from installlib.source import Source

HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))  # from the service, by ProtectHome=yes


class Environment:
    """The one at the prefix of `layout`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.path = layout.at(layout.prefix)
        self._next = self.path.with_name(f"{self.path.name}.new")
        self._last = self.path.with_name(f"{self.path.name}.old")

    def stamp(self) -> dict[str, str]:
        """Return what it was made from; empty where there is none of ours."""
        try:
            return json.loads(_stamp(self.path).read_text())
        except (OSError, ValueError):
            return {}

    def renew(self, source: Source, said: dict[str, str], log: Path, *, root: bool) -> bool:
        """Have it made from `source`, which `said` describes; whether it was not already.

        Until all of it is there nothing changes. Raises SetupError.
        """
        wanted = said | {"key": source.key(), "python": sys.version}
        if self.stamp() == wanted:
            return False
        if self.path.exists() and not self.stamp():
            raise SetupError(f"{self.path} is there and not of this installation: move it away")
        if hidden(python := Path(sys.executable).resolve()):
            raise SetupError(
                f"The service could not run {python}, for homes are hidden from it. "
                "Use the system's Python: /usr/bin/python3 tools/install"
            )
        system.provide([system.venv_need()], log, root=root)
        try:
            self._make(source, log)
            _stamp(self._next).write_text(json.dumps(wanted, indent=1) + "\n")
            self._swap()
        finally:
            shutil.rmtree(self._next, ignore_errors=True)
        return True

    def remove(self) -> None:
        """Delete it, if it is ours."""
        if self.stamp():
            shutil.rmtree(self.path)

    def _make(self, source: Source, log: Path) -> None:
        shutil.rmtree(self._next, ignore_errors=True)
        self._next.parent.mkdir(parents=True, exist_ok=True)
        python = self._next / "bin" / "python"
        with tempfile.TemporaryDirectory(dir=self._next.parent, prefix=".edge-rt-") as scratch:
            with Progress(f"Creating {self._layout.prefix}"):
                run_logged([sys.executable, "-m", "venv", str(self._next)], log)
            packages = source.packages(python, Path(scratch), log)
            with Progress("Installing Python packages"):
                for arguments in packages:
                    run_pip(python, ["install", *arguments], log)
                run_pip(python, ["uninstall", "--yes", *UNUSED], log)
        self._rewrite()

    def _rewrite(self) -> None:
        """Have programs and settings name the place where it will be."""
        here, there = str(self._next).encode(), str(self._layout.prefix).encode()
        for path in (*(self._next / "bin").iterdir(), self._next / "pyvenv.cfg"):
            if not path.is_symlink():
                path.write_bytes(path.read_bytes().replace(here, there))

    def _swap(self) -> None:
        shutil.rmtree(self._last, ignore_errors=True)
        if self.path.exists():
            self.path.rename(self._last)
        self._next.rename(self.path)
        shutil.rmtree(self._last, ignore_errors=True)


def _stamp(environment: Path) -> Path:
    return environment / "edge-rt-install.json"


def hidden(path: Path) -> bool:
    """Return whether the service could not see it."""
    return any(path.is_relative_to(place) for place in HIDDEN)
