"""The package of the how-to guide is built, installed beside edge_rt, found and used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from doc_examples import CHECKOUT
from installlib.source import copy_tree

pytestmark = pytest.mark.slow  # wheels are built and installed

_FILE = re.compile(r'^```\w+ title="([\w.]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def files_of(page: str, folder: Path) -> Path:
    """A folder with the files that a guide shows."""
    folder.mkdir()
    for name, text in _FILE.findall((CHECKOUT / "docs" / "how-to" / page).read_text()):
        (folder / name).write_text(text)
    return folder


def done(*words: str | Path, cwd: Path | None = None) -> str:
    """The output of a command that must succeed."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    ended = subprocess.run(
        [*map(str, words)], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = ended.stdout.decode()
    assert ended.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `venv`, where edge_rt and the guide's package are, and with their sources."""
    place = tmp_path_factory.mktemp("extension")
    copy_tree(place / "edge_rt")
    sources = [place / "edge_rt", files_of("write-a-reader.md", place / "reader")]
    pip = sys.executable, "-m", "pip", "--disable-pip-version-check"
    made = "--no-deps", "--no-build-isolation", f"--wheel-dir={place / 'wheels'}"
    done(*pip, "wheel", "-q", *made, *sources)
    venv.create(place / "venv", with_pip=False)
    python, wheels = place / "venv" / "bin" / "python", sorted((place / "wheels").glob("*.whl"))
    assert len(wheels) == 2
    done(*pip, "--python", python, "install", "-q", "--no-deps", "--no-index", *wheels)
    [packages] = (place / "venv").glob("lib/python*/site-packages")
    # What edge_rt depends on is taken from here. An editable edge_rt is not: its .pth is not read.
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    where = done(python, "-c", "import edge_rt; print(edge_rt.__file__)", cwd=place / "venv")
    assert where.strip() == str(packages / "edge_rt" / "__init__.py")
    done(python, "-c", "import edge_rt_convert.job", cwd=place / "venv")
    return place


def test_an_installed_edge_rt_finds_and_reads_the_reader(place: Path, tmp_path: Path) -> None:
    battery = tmp_path / "sys" / "class" / "power_supply" / "BAT0"
    battery.mkdir(parents=True)
    for name, text in {"type": "Battery", "capacity": "83", "voltage_now": "12100000"}.items():
        (battery / name).write_text(f"{text}\n")
    command = "sensors", "--direct", "--sensors-root", tmp_path, "--json"
    report = json.loads(done(place / "venv" / "bin" / "edge-rt", *command, cwd=tmp_path))
    found = {each["kind"]: each for each in report["channels"] if each["name"] == "BAT0"}
    assert found["fraction"]["value"] == pytest.approx(0.83)
    assert found["voltage_v"]["source"] == str(battery / "voltage_now")


def test_the_tests_in_the_guide_pass(place: Path) -> None:
    python, source = place / "venv" / "bin" / "python", place / "reader"
    output = done(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", source, cwd=source)
    assert "1 passed" in output
