"""The folder of wheels from which a guest installs edge_rt, as an image builder would have it."""

from __future__ import annotations

import hashlib
import platform
import tempfile
from pathlib import Path

from bootstrap.kept import kept
from bootstrap.paths import CHECKOUT
from bootstrap.venv import run_pip
from bootstrap.wheelhouse import platforms
from installlib.source import copy_tree


def collect(python: Path, cache: Path, llama: Path, version: str, log: Path) -> Path:
    """Collect what edge_rt needs, and pip, for Python `version` with the wheel `llama`.

    `python` has pip. Kept in the cache until pyproject.toml or that wheel is another.
    """
    said = (CHECKOUT / "pyproject.toml").read_bytes() + llama.read_bytes()
    said += f"{version} pip".encode()
    place = cache / "vm-wheels" / f"{version}-{hashlib.sha256(said).hexdigest()[:20]}"

    def fetch(scratch: Path) -> Path:
        ours, fetched = edge_rt(python, scratch, log), scratch / "fetched"
        here = platforms(platform.machine())
        words = ["--only-binary=:all:", f"--python-version={version}", *here]
        words += [f"--find-links={llama.parent}", f"--dest={fetched}", str(ours), "pip"]
        run_pip(python, ["download", *words], log)
        (fetched / ours.name).unlink()
        return fetched

    return kept(place, "Fetching the guest's Python packages", fetch, old=f"{version}-*")


def edge_rt(python: Path, place: Path, log: Path) -> Path:
    """The wheel of this checkout, made in the folder `place`."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        copy_tree(tree)
        run_pip(python, ["wheel", "--no-deps", f"--wheel-dir={place}", str(tree)], log)
    (wheel,) = place.glob("edge_rt-*.whl")
    return wheel
