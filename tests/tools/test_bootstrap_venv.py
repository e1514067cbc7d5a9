from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bootstrap import SetupError
from bootstrap.venv import Stamp, Venv, pip_environment, run_pip

Script = Callable[[Path, str], Path]

STAMP = Stamp(project="p", wheel="w", cmake_args="", extras=("dev",))
PYTHON = """#!/bin/sh
[ "$1" = -c ] && {{ echo 3.11.9; exit 0; }}
case "$3" in config | uninstall) exit 0 ;; esac
echo "$*" >> {calls}
{then}
"""
HOSTILE = """\
[global]
index-url = https://packages.example/simple
user = true
quiet = 1
target = {place}
prefix = {place}
root = {place}
require-hashes = true
dry-run = true
[install]
find-links =
    {place}/one
    {place}/two
no-deps = true
"""


class Fixture:
    """A venv whose Python only notes what it is asked."""

    def __init__(self, root: Path, script: Script, then: str = "") -> None:
        self.venv = Venv(root / ".venv")
        self.root, self._calls = root, root / "calls"
        script(self.venv.python, PYTHON.format(calls=self._calls, then=then))
        (root / ".venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")

    def install(self, stamp: Stamp) -> list[str]:
        self._calls.unlink(missing_ok=True)
        self.venv.install(self.root, Path("x.whl"), stamp, self.root / "log")
        return self._calls.read_text().splitlines()


@pytest.fixture
def fixture(tmp_path: Path, script: Script) -> Fixture:
    return Fixture(tmp_path, script)


def test_an_environment_of_the_same_minor_version_works(fixture: Fixture) -> None:
    assert fixture.venv.works()


def test_one_made_for_another_python_does_not(fixture: Fixture) -> None:
    (fixture.venv.path / "pyvenv.cfg").write_text("version = 3.10.2\n")
    assert not fixture.venv.works()


def test_a_missing_or_failing_python_does_not_work(tmp_path: Path, script: Script) -> None:
    assert not Venv(tmp_path / "none").works()
    venv = Fixture(tmp_path, script).venv
    script(venv.python, "#!/bin/sh\nexit 1\n")
    assert not venv.works()


def test_the_stamp_comes_back_as_it_was_set(fixture: Fixture) -> None:
    assert fixture.venv.stamp() is None
    fixture.install(STAMP)
    assert fixture.venv.stamp() == STAMP


def test_the_wheel_is_forced_in_only_when_it_is_another(fixture: Fixture) -> None:
    assert "--force-reinstall --no-deps x.whl" in fixture.install(STAMP)[0]
    assert len(fixture.install(replace(STAMP, project="q"))) == 1
    assert len(fixture.install(replace(STAMP, wheel="v"))) == 2


def test_the_package_is_installed_editable_with_its_extras(fixture: Fixture) -> None:
    assert fixture.install(STAMP)[-1] == f"-m pip install --editable {fixture.root}[dev]"
    assert fixture.install(replace(STAMP, extras=()))[-1].endswith(f"--editable {fixture.root}")


@pytest.mark.parametrize("name", ["huggingface_hub", "hf_xet"])
def test_what_only_fetches_from_a_hub_is_not_installed(name: str) -> None:
    """All that the tests run is tried without it."""
    assert importlib.util.find_spec(name) is None
    assert importlib.util.find_spec("tokenizers") is not None, "which names it"


def test_a_failed_install_leaves_no_stamp(fixture: Fixture, tmp_path: Path, script: Script) -> None:
    fixture.install(STAMP)
    broken = Fixture(tmp_path, script, then="exit 1")
    with pytest.raises(SetupError):
        broken.install(STAMP)
    assert broken.venv.stamp() is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "null", '{"extras": 1}', '{"extras": [], "x": 1}']
)
def test_an_unreadable_stamp_is_none(fixture: Fixture, text: str) -> None:
    (fixture.venv.path / "edge-rt-setup.json").write_text(text)
    assert fixture.venv.stamp() is None


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """An environment with settings of pip's that no virtual environment can follow."""
    config = tmp_path / "pip.conf"
    config.write_text(HOSTILE.format(place=tmp_path / "elsewhere"))
    ours = {"PIP_CONFIG_FILE": str(config), "PIP_REQUIRE_VIRTUALENV": "1", "PIP_RETRIES": "1"}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ours}


def test_of_pips_settings_those_count_that_say_where_packages_come_from(
    hostile: dict[str, str], tmp_path: Path
) -> None:
    env = pip_environment(Path(sys.executable), "install", hostile)
    named = {name: value for name, value in env.items() if name.startswith("PIP_")}
    assert named.pop("PIP_FIND_LINKS").split() == [
        f"{tmp_path}/elsewhere/one",
        f"{tmp_path}/elsewhere/two",
    ]
    ours = {
        "CONFIG_FILE": os.devnull,
        "INDEX_URL": "https://packages.example/simple",
        "RETRIES": "1",
    }
    assert named.items() >= {f"PIP_{name}": value for name, value in ours.items()}.items()
    others = ("USER", "TARGET", "PREFIX", "ROOT", "REQUIRE", "DRY", "NO_DEPS", "QUIET")
    assert [
        name for name in named if name.startswith(tuple(f"PIP_{word}" for word in others))
    ] == []
    wheel = pip_environment(Path(sys.executable), "wheel", hostile)
    assert "PIP_FIND_LINKS" not in wheel, "the files' section for another command"


def test_settings_that_pip_cannot_read_are_told(hostile: dict[str, str]) -> None:
    Path(hostile["PIP_CONFIG_FILE"]).write_text("[global\n")
    with pytest.raises(SetupError, match="pip cannot read its settings"):
        pip_environment(Path(sys.executable), "install", hostile)


@pytest.mark.slow
def test_a_package_lands_in_the_environment_whatever_pips_settings_say(
    hostile: dict[str, str], tmp_path: Path
) -> None:
    venv = Venv(tmp_path / ".venv")
    venv.create(tmp_path / "log")
    wheel = tmp_path / "own-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("own.py", "")
        packed.writestr(
            "own-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: own\nVersion: 1\n"
        )
        packed.writestr("own-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr("own-1.dist-info/RECORD", "")
    run_pip(venv.python, ["install", str(wheel)], tmp_path / "log", env=hostile)
    subprocess.run([venv.python, "-c", "import own"], check=True)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_create_replaces_what_was_there(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/old").touch()
    venv = Venv(tmp_path / ".venv")
    venv.create(tmp_path / "log")
    assert venv.works()
    assert not (tmp_path / ".venv/old").exists()
