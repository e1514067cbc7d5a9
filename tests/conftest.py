"""What tests of several rooms share."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hermetic
import pytest
import sharing
from hypothesis import settings

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

if TYPE_CHECKING:
    from house import Kit

    from edge_rt.testing.board import FakeBoard

# A shared machine is no stopwatch, and a gate that was open for a change stays open for it.
settings.register_profile("edge_rt", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("short", settings.get_profile("edge_rt"), max_examples=20)
settings.register_profile("least", settings.get_profile("edge_rt"), max_examples=4)
settings.load_profile("edge_rt")

pytest_configure = hermetic.pytest_configure
pytest_xdist_make_scheduler = sharing.pytest_xdist_make_scheduler

HERE = Path(__file__).parent
HEAVY = {HERE / room for room in ("e2e", "systemd", "vm")}
MODELS = {"smollm2", "smollm2_onnx", "minilm"}
SLOW = {HERE / room for room in ("e2e", "vm")}
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "all-minilm-l6-v2"
CONVERTER = Path(__file__).parents[1] / "tools" / "edge_rt_convert"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests of whole rooms and those of real models as pyproject.toml describes it."""
    if HEAVY.intersection(item.path.parents) or MODELS.intersection(_fixtures(item)):
        item.add_marker("heavy")
    if SLOW.intersection(item.path.parents):
        item.add_marker("slow")


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.fixture
def kit() -> Kit:
    """Return what tests build scripts from."""
    from house import Kit  # brings the daemon's front, which tests of tools do not need

    return Kit()


@pytest.fixture
def tree(tmp_path: Path) -> FakeBoard:
    """An empty board."""
    from edge_rt.testing.board import FakeBoard

    return FakeBoard(tmp_path / "board")


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    """Return what outlives a run of the tests: `tools/test` keeps the model there."""
    return pytestconfig.stash[hermetic.CACHE]


@pytest.fixture(scope="session")
def smollm2(cache: Path) -> Path:
    """The real model that the default tests run on; `tools/test` fetches it."""
    return _fetched(cache / "models" / SMOLLM2)


@pytest.fixture(scope="session")
def minilm(cache: Path) -> Path:
    """The folder of the real embedding model: model.onnx and tokenizer.json."""
    return _fetched(cache / "models" / MINILM / "model.onnx").parent


def _fetched(path: Path) -> Path:
    why = "tools/test fetches it where the store of that cache has none: remove it from there first"
    assert path.is_file(), f"{path} is missing: {why}"
    return path


@pytest.fixture(scope="session")
def smollm2_onnx(cache: Path, smollm2: Path) -> Path:
    """Return the same model for onnxruntime: a graph, with all else beside it.

    It is converted once and kept until the converter is another.
    """
    kept, name = cache / "converted", f"{smollm2.stem}-{_digest(CONVERTER)}"
    if not (kept / name).is_dir():
        kept.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept) as made:
            _convert(smollm2, Path(made))
            others = [each for each in kept.glob(f"{smollm2.stem}-*") if each.name != name]
            with suppress(OSError):  # another run was first
                Path(made, "model").rename(kept / name)
        for other in others:
            shutil.rmtree(other, ignore_errors=True)
    return kept / name / "model.onnx"


@pytest.fixture(scope="session")
def store(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the model; never changed, so that every daemon may use it."""
    root = tmp_path_factory.mktemp("store")
    source = root / smollm2.name
    try:
        os.link(smollm2, source)
    except OSError:  # the cache is on another disk
        shutil.copyfile(smollm2, source)
    Store(root / "models", load_catalogue()).add(source, move=True)
    return root / "models"


def _convert(gguf: Path, place: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edge_rt_convert.model import convert_gguf;"
        "convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    (place / "model").mkdir()
    words = [sys.executable, "-c", program, str(gguf), str(place / "model")]
    subprocess.run(words, cwd=CONVERTER.parent, check=True)


def _digest(folder: Path) -> str:
    """A word for the content of the programs in `folder`."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
