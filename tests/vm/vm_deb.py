"""Guests of a whole Debian, whose dpkg installs edge_rt's package."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bootstrap import llama_wheel
from bootstrap.logged import run_logged
from bootstrap.paths import CHECKOUT
from packagelib import deb
from packagelib.target import Target, this_arch
from vm import debian, wheels
from wheelslib import build

# What a small board's image has.
PACKAGES = ("systemd-sysv", "udev", "procps", "curl", "python3", "libgomp1", "libstdc++6")
# What dpkg, systemd and the kernel write by themselves.
_THEIRS = ("var/lib/dpkg/", "var/log/", "var/lib/systemd/", "var/cache/", "etc/machine-id")
_LISTS = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-")
_TREES = ("etc", "opt", "usr", "var", "srv", "root", "run/edge-rt", "run/edge-rt.socket.old")


def root(cache: Path, log: Path, release: str = "") -> Path:
    """Debian with its package manager, this machine's `release` or another. Made once, it stays in
    the cache.
    """
    release = release or debian.suite()
    named = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    place = cache / "deb-root" / f"{release}-{named}"
    if not place.is_dir():
        draft = place.with_name("draft")
        for old in (*place.parent.glob(f"{release}-*"), draft):
            shutil.rmtree(old, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        words = ["--variant=minbase", "--format=directory", f"--include={','.join(PACKAGES)}"]
        run_logged(["mmdebstrap", "--quiet", *words, release, str(draft)], log)
        draft.joinpath("etc/machine-id").write_text("")  # a guest makes its own
        draft.rename(place)
    return place


def portable(cache: Path) -> Path:
    """The wheel of llama.cpp for every x86-64 or aarch64, as tools/wheels makes it once."""
    sources = [Path(build.__file__), Path(build.__file__).with_name("portable.cmake")]
    sources += [llama_wheel.TRIM, llama_wheel.REQUIREMENT]
    said = repr(llama_wheel.OURS).encode() + b"".join(path.read_bytes() for path in sources)
    folder = cache / "portable-wheels" / hashlib.sha256(said).hexdigest()[:20]
    if not any(folder.glob("*.whl")):
        words = [str(CHECKOUT / "tools/wheels"), f"--arch={platform.machine()}", str(folder)]
        env = os.environ | {"EDGE_RT_CACHE": str(cache)}
        folder.parent.mkdir(exist_ok=True)
        subprocess.run([sys.executable, *words], env=env, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def package(root: Path, llama: Path, cache: Path, place: Path, log: Path) -> Path:
    """The package of this checkout for the guest `root`, made in the folder `place`."""
    target = Target(this_arch(), debian.python_of(root))
    needed = wheels.collect(Path(sys.executable), cache, llama, target.python, log)
    shutil.copytree(needed, place / "wheels")
    wheels.edge_rt(Path(sys.executable), place / "wheels", log)
    env = os.environ | {"DPKG_DEB_COMPRESSOR_TYPE": "none"}
    return deb.build(place, place / "wheels", place / "out", target, log, env)


def lasting(files: Path) -> dict[str, str]:
    """Every file of a guest but those that the system writes by itself: rights, owner, content."""
    return {
        str(path.relative_to(files)): _told(path)
        for tree in _TREES
        for path in _walk(files / tree)
        if not str(path.relative_to(files)).startswith((*_THEIRS, *_LISTS))
    }


def _walk(path: Path) -> Iterable[Path]:
    if path.exists():
        yield path
    if path.is_dir() and not path.is_symlink():
        for below in sorted(path.iterdir()):
            yield from _walk(below)


def _told(path: Path) -> str:
    info = path.lstat()
    if path.is_symlink():
        return f"leads to {path.readlink()}"
    content = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{info.st_mode:o} {info.st_uid}:{info.st_gid} {content}"
