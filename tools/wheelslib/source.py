"""The source of llama-cpp-python, as tools/llama_cpp_python.txt pins it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from bootstrap.llama_wheel import REQUIREMENT
from bootstrap.logged import run_logged
from bootstrap.progress import Progress
from bootstrap.venv import Venv
from bootstrap.wheelhouse import pinned


def unpacked(cache: Path, log: Path) -> Path:
    """Return the new folder of the source; its archive is fetched once. Raises SetupError."""
    archive = _archive(cache, log)
    place = cache / archive.name.removesuffix(".tar.gz")
    shutil.rmtree(place, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(cache)  # pip has compared it with its hash
    return place


def _archive(cache: Path, log: Path) -> Path:
    pattern = f"llama_cpp_python-{pinned()}.tar.gz"
    if not any(cache.glob(pattern)):
        with (
            Progress("Fetching the source of llama.cpp"),
            tempfile.TemporaryDirectory(dir=cache) as scratch,
        ):
            venv = Venv(Path(scratch, "venv"))  # for its pip, which Debian's Python lacks
            venv.create(log)
            words = ["--no-deps", "--no-binary=llama-cpp-python", "--no-cache-dir"]
            words += ["--require-hashes", "-r", str(REQUIREMENT), "--dest", scratch]
            run_logged([str(venv.python), "-m", "pip", "download", *words], log)
            for fetched in Path(scratch).glob(pattern):
                fetched.rename(cache / fetched.name)
    (archive,) = cache.glob(pattern)
    return archive
