from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap import llama_wheel
from bootstrap.ensure import ensure
from bootstrap.venv import Stamp
from bootstrap.wheelhouse import pinned

Script = Callable[[Path, str], Path]

PYTHON = """#!/bin/sh
[ "$1" = -c ] && {{ echo 3.11.9; exit 0; }}
case "$3" in config | uninstall) exit 0 ;; esac
echo "$*" >> {calls}
"""


class Checkout:
    """A checkout with a venv that only notes its calls, and wheels that are built already."""

    def __init__(self, root: Path, cache: Path, script: Script) -> None:
        self.root, self._cache, self._calls = root, cache, root / "calls"
        script(root / ".venv/bin/python", PYTHON.format(calls=self._calls))
        (root / ".venv/pyvenv.cfg").write_text("version = 3.11.9\n")
        (root / "pyproject.toml").write_text("[project]\n")

    def ensure(
        self, *extras: str, wheels: Path | None = None, pins: tuple[str, ...] = (), **env: str
    ) -> list[str]:
        """Return what had to be run for it."""
        self._calls.unlink(missing_ok=True)
        here = {"PATH": os.environ["PATH"], "EDGE_RT_CACHE": str(self._cache), **env}
        for args in ("", "-DX=1"):
            place = self._cache / "wheels" / llama_wheel.recipe(args, here).key
            place.mkdir(parents=True, exist_ok=True)
            (place / "x.whl").touch()
        self.venv = ensure(extras, here, self.root, wheels, pins)
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    @property
    def stamp(self) -> Stamp:
        stamp = self.venv.stamp()
        assert stamp is not None
        return stamp


@pytest.fixture
def checkout(tmp_path: Path, cache: Path, script: Script) -> Checkout:
    return Checkout(tmp_path / "checkout", cache, script)


def test_a_second_time_nothing_is_run(checkout: Checkout) -> None:
    assert len(checkout.ensure()) == 2
    assert checkout.ensure() == []


def test_a_changed_project_is_installed_again_but_not_its_wheel(checkout: Checkout) -> None:
    checkout.ensure()
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert len(checkout.ensure()) == 1


def test_settings_of_programs_that_look_at_the_source_install_nothing(checkout: Checkout) -> None:
    checkout.ensure()
    said = "[project]\n[tool.ruff]\nline-length = 9\n[[tool.importlinter.contracts]]\nname = 'x'\n"
    (checkout.root / "pyproject.toml").write_text(said)
    assert checkout.ensure() == []
    (checkout.root / "pyproject.toml").write_text(f"{said}[tool.setuptools.packages]\n")
    assert len(checkout.ensure()) == 1


def test_extras_add_up(checkout: Checkout) -> None:
    checkout.ensure("dev")
    assert checkout.ensure() == []
    checkout.ensure("onnx")
    assert checkout.stamp.extras == ("dev", "onnx")


def test_pins_are_installed_with_the_package(checkout: Checkout) -> None:
    assert checkout.ensure(pins=("click==8.2",))[-1].endswith(f" {checkout.root} click==8.2")
    assert checkout.ensure(pins=("click==8.2",)) == []


def test_build_arguments_stay_until_others_are_given(checkout: Checkout) -> None:
    checkout.ensure(CMAKE_ARGS="-DX=1")
    assert checkout.ensure() == []
    assert checkout.stamp.cmake_args == "-DX=1"
    assert len(checkout.ensure(CMAKE_ARGS="")) == 2
    assert checkout.stamp.cmake_args == ""


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with a built llama.cpp for this machine."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name = f"llama_cpp_python-{pinned()}-py3-none-linux_{platform.machine()}.whl"
    (folder / name).write_text("built")
    return folder


def test_a_built_wheel_is_installed_and_stays(checkout: Checkout, wheels: Path) -> None:
    checkout.ensure()
    llama, _ = checkout.ensure(wheels=wheels)
    assert "llama_cpp_python-" in llama
    assert checkout.ensure(wheels=wheels) == []
    assert checkout.ensure() == []
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert len(checkout.ensure()) == 1


def test_another_built_wheel_replaces_it(checkout: Checkout, wheels: Path) -> None:
    checkout.ensure(wheels=wheels)
    next(wheels.iterdir()).write_text("built anew")
    assert len(checkout.ensure(wheels=wheels)) == 2


def test_whoever_gives_build_arguments_wants_no_built_wheel(
    checkout: Checkout, wheels: Path
) -> None:
    assert "x.whl" in checkout.ensure(wheels=wheels, CMAKE_ARGS="-DX=1")[0]
    assert checkout.stamp.cmake_args == "-DX=1"
    checkout.ensure(wheels=wheels)
    assert checkout.stamp.cmake_args == ""


def test_a_checkout_that_cannot_be_written_has_its_environment_in_the_cache(
    checkout: Checkout, cache: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout.root / "edge_rt").mkdir()
    name = hashlib.sha256(bytes(checkout.root)).hexdigest()[:12]
    shutil.copytree(checkout.root / ".venv", cache / "venvs" / name)
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != checkout.root and access(path, mode)
    )
    *_, package = checkout.ensure()
    assert checkout.venv.path == cache / "venvs" / name
    linked = checkout.venv.path / "checkout"
    assert package.endswith(f"--editable {linked}")
    assert (linked / "edge_rt").samefile(checkout.root / "edge_rt")
    assert checkout.ensure() == []


def test_an_environment_that_is_named_is_the_one(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / ".venv").rename(tmp_path / "mine")
    assert len(checkout.ensure(EDGE_RT_VENV=str(tmp_path / "mine"))) == 2
    assert checkout.venv.path == tmp_path / "mine"


def test_two_setups_take_turns(checkout: Checkout, cache: Path) -> None:
    finished = threading.Event()

    def other() -> None:
        checkout.ensure()
        finished.set()

    with (cache / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=other)
        thread.start()
        assert not finished.wait(0.1)
    thread.join()
    assert finished.is_set()


def test_whoever_waited_does_not_do_it_again(checkout: Checkout, cache: Path) -> None:
    checkout.ensure()
    stamp = checkout.root / ".venv/edge-rt-setup.json"
    text = stamp.read_text()
    stamp.unlink()
    calls: list[str] = []
    with (cache / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: calls.extend(checkout.ensure()))
        thread.start()
        while thread.is_alive() and not _waits_for(cache / "setup.lock"):
            thread.join(0.01)
        stamp.write_text(text)  # the one that held the lock has finished
    thread.join()
    assert calls == []


def _waits_for(path: Path) -> bool:
    """Return whether the kernel lists a waiter ("->") for the lock on `path`."""
    inode = f":{path.stat().st_ino} "
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and inode in line for line in lines)
