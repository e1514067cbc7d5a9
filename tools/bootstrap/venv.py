"""The `.venv` of the checkout and the stamp that says what is in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bootstrap.logged import run_logged
from bootstrap.progress import Progress

_PROBE = "import sys, importlib.util as u; u.find_spec('pip').name; print(sys.version.split()[0])"


@dataclass(frozen=True)
class Stamp:
    """What was installed: `project` is a digest of pyproject.toml, `wheel` a recipe's key."""

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
        """Whether its Python starts, has pip and is the one it was made for.

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
        pip = [str(self.python), "-m", "pip", "install"]
        extras = f"[{','.join(stamp.extras)}]" if stamp.extras else ""
        with progress or Progress("Installing Python packages") as shown:
            if old is None or old.wheel != stamp.wheel:
                # A wheel of the same version with other build options is a different one.
                forced = ["--force-reinstall", "--no-deps", str(wheel)]
                run_logged([*pip, *forced], log)
            run_logged(
                [*pip, "--editable", f"{checkout}{extras}", *pins],
                log,
                on_line=lambda line: _report(shown, line),
            )
        self._stamp.write_text(json.dumps(asdict(stamp), indent=1) + "\n")

    def stamp(self) -> Stamp | None:
        """What the last finished setup installed; None when there was none."""
        try:
            fields = json.loads(self._stamp.read_text())
            return Stamp(extras=tuple(fields.pop("extras")), **fields)
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return None


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.strip().split(".")[:2]
    return int(major), int(minor)


def _report(progress: Progress, line: str) -> None:
    if line.startswith(("Collecting ", "Downloading ", "Installing collected", "Building ")):
        progress.update(None, line)
