"""What a package index would be sent: the archive of the source, and the wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from bootstrap.paths import CHECKOUT

pytestmark = pytest.mark.slow

_BUILD = "import sys; from setuptools import build_meta as made; made.build_{}(sys.argv[1])"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive of this checkout, and the wheel that is built of what it holds."""
    place = tmp_path_factory.mktemp("distribution")
    mine = shutil.ignore_patterns(
        ".git", ".*env*", ".*cache*", "*.egg-info", "build", "dist", "site"
    )
    shutil.copytree(CHECKOUT, place / "tree", symlinks=True, ignore=mine)
    run(place / "tree", _BUILD.format("sdist"), place / "made")
    (archive,) = (place / "made").iterdir()
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    run(place / archive.name.removesuffix(".tar.gz"), _BUILD.format("wheel"), place / "made")
    return place / "made"


def run(folder: Path, program: str, *words: Path) -> None:
    argv = [sys.executable, "-c", program, *words]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_an_index_would_take_them(made: Path) -> None:
    assert sorted(path.suffix for path in made.iterdir()) == [".gz", ".whl"]
    argv = [sys.executable, "-m", "twine", "check", "--strict", *made.iterdir()]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_archive_has_what_its_tests_and_an_installation_take(made: Path) -> None:
    with tarfile.open(next(made.glob("*.tar.gz"))) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    needed = {"tests/conftest.py", "tools/install", "tools/run", ".ci/run", "requirements.lock"}
    needed |= {"systemd/edge-rt.service", "boards/sources.yaml", "edge_rt/boards/sources.yaml"}
    needed |= {"docs/index.md", "CHANGELOG.md", "tools/llama_trim.cmake", "mkdocs.yml"}
    assert needed <= names
    assert not [name for name in names if name.endswith(".pyc") or name.startswith(".venv")]
    tests = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "tests").rglob("*.py")}
    assert tests <= names


def test_the_archive_builds_what_the_checkout_has(made: Path) -> None:
    with zipfile.ZipFile(next(made.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    modules = {
        path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "edge_rt").rglob("*.py")
    }
    assert modules <= names
    assert "edge_rt/boards/sources.yaml" in names
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]


def test_the_page_of_an_index_has_no_link_that_leads_nowhere(made: Path) -> None:
    """A link to a file of this repository does, and the project names no home to lead to."""
    with zipfile.ZipFile(next(made.glob("*.whl"))) as wheel:
        (place,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        page = wheel.read(place).decode()
    targets = re.findall(r"\]\(([^)]+)\)", page)
    assert len(targets) == 3  # those of others
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "The tutorial goes on from here." in page
