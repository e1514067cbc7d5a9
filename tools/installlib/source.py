"""What is installed: this checkout, or wheels that somebody brings."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bootstrap import SetupError, llama_wheel, system, wheelhouse
from bootstrap.ensure import turn
from bootstrap.paths import CHECKOUT, cache_dir

_FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
_PACKAGES = ("edge_rt", "tools/edge_rt_convert")
LOCK = CHECKOUT / "requirements.lock"


@dataclass(frozen=True)
class Wheels:
    """edge_rt and all that it needs from a folder of wheels, without a network."""

    folder: Path

    @staticmethod
    def are_in(folder: Path) -> bool:
        """Return whether edge_rt is among the wheels in `folder`."""
        return any(folder.glob("edge_rt-*.whl"))

    def key(self) -> str:
        """The hash of all wheels."""
        return _digest(sorted(self.folder.glob("*.whl")))

    def packages(self, python: Path, scratch: Path, log: Path) -> list[list[str]]:
        """Arguments of each `pip install` in turn, for `python`; raises SetupError."""
        here = "cp{}{}".format(*sys.version_info)
        tags = {wheel.stem.split("-")[-2] for wheel in self.folder.glob("*-cp3*-cp3*-*.whl")}
        if tags and here not in tags:
            raise SetupError(
                f"{self.folder} has wheels of {', '.join(sorted(tags))}, and this Python is "
                f"{here}: fill the folder with the same version (see docs/how-to/air-gapped.md)"
            )
        # What to do: there is no network.
        system.provide([system.openmp_need()], log, root=False)
        return [["--no-index", "--find-links", str(self.folder.absolute()), "edge_rt"]]


@dataclass(frozen=True)
class Checkout:
    """This checkout, and llama.cpp as the wheel `llama_built` or compiled for this machine.

    Other packages are the newest that pyproject.toml allows or, where `locked`, those of
    requirements.lock, each of which has to have one of its hashes.
    """

    cmake_args: str
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    locked: bool = False
    llama_built: Path | None = None

    def key(self) -> str:
        """Differs when anything else would be installed."""
        files = [CHECKOUT / "pyproject.toml", *(CHECKOUT / "boards").iterdir()]
        files += [LOCK] if self.locked else []
        found = (path for package in _PACKAGES for path in (CHECKOUT / package).rglob("*"))
        files += [path for path in found if path.suffix != ".pyc"]
        built = self.llama_built
        key = wheelhouse.key(built) if built else llama_wheel.recipe(self.cmake_args, self.env).key
        return f"{_digest(sorted(path for path in files if path.is_file()))}-{key}"

    def packages(self, python: Path, scratch: Path, log: Path) -> list[list[str]]:
        """Arguments of each `pip install` in turn, for `python`."""
        tree = scratch / "tree"
        copy_tree(tree)
        ours = [str(self.llama(python, log)), str(tree)]
        if not self.locked:
            return [ours]
        return [["--no-deps", "--require-hashes", "-r", str(LOCK)], ["--no-deps", *ours]]

    def llama(self, python: Path, log: Path) -> Path:
        """The wheel of llama.cpp, built with the pip of `python` if need be; raises SetupError."""
        if self.llama_built:
            needs = [system.openmp_need()]
            system.provide(needs, log, root=os.geteuid() == 0, env=self.env)
            return self.llama_built.absolute()
        cache = cache_dir(self.env)
        recipe = llama_wheel.recipe(self.cmake_args, self.env)
        with turn(cache / "setup.lock"):
            if wheel := llama_wheel.find(cache, recipe):
                return wheel
            needs = [system.compiler_need(self.env)]
            system.provide(needs, log, root=os.geteuid() == 0, env=self.env)
            return llama_wheel.build(python, cache, recipe, self.env)


Source = Wheels | Checkout


def copy_tree(tree: Path) -> None:
    """This checkout's packages in the new folder `tree`, to be built there.

    setuptools builds where the sources are, from what an earlier build has left there as well.
    """
    tree.mkdir()
    for name in _FILES:
        shutil.copyfile(CHECKOUT / name, tree / name)
    compiled = shutil.ignore_patterns("__pycache__")
    for package in _PACKAGES:
        shutil.copytree(CHECKOUT / package, tree / package, ignore=compiled)


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name} {path.stat().st_size}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()
