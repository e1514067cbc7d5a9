"""Guests under systemd-nspawn, with edge_rt as tools/install leaves it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import vm_deb
import vm_guests as guests
from packagelib import deb
from packagelib.target import Target, this_arch
from vm import debian

NEXT = "99.0.0"  # the version of the second wheel


@pytest.fixture(scope="session", autouse=True)
def able() -> None:
    """Guests take root and two programs. CI has to have them; elsewhere the tests are left out."""
    missing = [package for program, package in debian.PROGRAMS.items() if not shutil.which(program)]
    why = f"needs apt-get install {' '.join(missing)}" if missing else ""
    why = why or ("needs root" if os.geteuid() else "")
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def make_box(
    cache: Path, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], guests.Box]]:
    """Boots guests that have what tools/install needs, and the model read-only: folders of wheels
    `one`, of this checkout, and `two`, the same of the version NEXT.

    One at a time may use their root, whoever else runs these tests.
    """
    place = tmp_path_factory.mktemp("guests")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "vm-root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = guests.root(cache, place / "log")
        wheels = guests.wheels(cache, root, place, NEXT)
        yield lambda: guests.boot(root, wheels, store, cache, place / "console")


@pytest.fixture
def bare(make_box: Callable[[], guests.Box]) -> Iterator[guests.Box]:
    """A guest to which nothing was done yet, but for its configuration."""
    box = make_box()
    yield box
    box.close()


@pytest.fixture(scope="session")
def box(make_box: Callable[[], guests.Box]) -> Iterator[guests.Box]:
    """A guest with edge_rt at work; it must come out of each test as it went in."""
    box = make_box()
    box.install("--wheels", "/wheels/one")
    yield box
    box.close()


@pytest.fixture(scope="session")
def packages(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two packages, as the guest sees them: of this checkout, and the same of a later version."""
    place = tmp_path_factory.mktemp("packages")
    log, root = place / "log", vm_deb.root(cache, place / "log")
    wheels = guests.wheels(cache, root, place, NEXT)
    target = Target(this_arch(), debian.python_of(root))
    made: list[str] = []
    for name in ("one", "two"):
        scratch = place / name
        scratch.mkdir()
        env = os.environ | {"DPKG_DEB_COMPRESSOR_TYPE": "none"}
        made.append(str(deb.build(scratch, wheels / name, place, target, log, env)))
    return made


@pytest.fixture(scope="session")
def next_version() -> str:
    return NEXT
