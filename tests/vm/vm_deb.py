"""Guests of a whole Debian, whose dpkg installs edge_rt's package."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from bootstrap.logged import run_logged
from vm import debian

# What a small board's image has.
PACKAGES = ("systemd-sysv", "udev", "procps", "curl", "python3", "libgomp1", "libstdc++6")
# What dpkg, systemd and the kernel write by themselves.
_THEIRS = ("var/lib/dpkg/", "var/log/", "var/lib/systemd/", "var/cache/", "etc/machine-id")
_LISTS = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-")
_TREES = ("etc", "opt", "usr", "var", "srv", "root", "run/edge-rt", "run/edge-rt.socket.old")


def root(cache: Path, log: Path) -> Path:
    """Debian with its package manager. Made once, it stays in the cache."""
    named = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    place = cache / "deb-root" / f"{debian.suite()}-{named}"
    if not place.is_dir():
        shutil.rmtree(place.parent, ignore_errors=True)  # those of old
        place.parent.mkdir()
        draft = place.with_name("draft")
        words = ["--variant=minbase", "--format=directory", f"--include={','.join(PACKAGES)}"]
        run_logged(["mmdebstrap", "--quiet", *words, debian.suite(), str(draft)], log)
        draft.joinpath("etc/machine-id").write_text("")  # a guest makes its own
        draft.rename(place)
    return place


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
