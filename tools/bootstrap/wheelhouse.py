"""Wheels of llama-cpp-python that somebody has built: folders of `tools/wheels`."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
from pathlib import Path

from bootstrap import SetupError
from bootstrap.llama_wheel import REQUIREMENT

_LATEST_GLIBC = 41  # 2.41 is Debian 13's; wheels name the oldest that they run on
SUMS = "SHA256SUMS"  # of the wheels beside it, as sha256sum writes them
_KEY = "built-elsewhere"
_NAME = re.compile(
    r"llama_cpp_python-(?P<version>[^-+]+)(\+[^-]+)?-py3-none-(?P<platform>[\w.]+)\.whl"
)


def pinned() -> str:
    """The version of llama-cpp-python that edge_rt needs."""
    found = re.search(r"^llama-cpp-python==(\S+)", REQUIREMENT.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def platforms(machine: str) -> list[str]:
    """Options with which pip takes wheels for `machine`, whatever they call it.

    pip asks a Python that need not be there.
    """
    names = ["linux", "manylinux1", "manylinux2010", "manylinux2014"]
    names += [f"manylinux_2_{minor}" for minor in range(5, _LATEST_GLIBC + 1)]
    return [f"--platform={name}_{machine}" for name in names]


def fitting(folder: Path, machine: str | None = None, glibc: int | None = None) -> Path | None:
    """The wheel in `folder` for this machine, or one named so with 2.`glibc`.

    None, with a word on standard error, where those in it are for others. Raises SetupError where
    it has none at all, or one with another hash than it says.
    """
    found = list(folder.glob("llama_cpp_python-*.whl"))
    if not found:
        raise SetupError(
            f"{folder} has no wheel of llama-cpp-python: tools/wheels makes some, and "
            f"`pip wheel --wheel-dir {folder} .` those of an installation without a network"
        )
    here = machine or platform.machine(), _glibc() if glibc is None else glibc
    fit = {wheel.name: wheel for wheel in found if _fits(wheel.name, *here)}
    if not fit:
        what = f"llama-cpp-python {pinned()} for {here[0]} with glibc 2.{here[1]}"
        print(f"{folder} has no wheel of {what}: it is compiled.", file=sys.stderr)
        return None
    best = fit[max(fit, key=lambda name: ("+" in name, name))]  # with code for GPUs, as pip chooses
    _check(best)
    return best


def key(wheel: Path) -> str:
    """The name of its place in the cache."""
    return f"{_KEY}-{pinned()}-{digest(wheel)[:20]}"


def is_key(name: str) -> bool:
    """Return whether `name` is that of such a wheel of the version that is needed now."""
    return name.startswith(f"{_KEY}-{pinned()}-")


def keep(cache: Path, wheel: Path) -> Path:
    """Copy `wheel` into the cache; returns the copy. The caller holds the lock."""
    place = cache / "wheels" / key(wheel)
    place.mkdir(parents=True, exist_ok=True)
    copy = place / wheel.name
    unfinished = place / "unfinished"
    shutil.copyfile(wheel, unfinished)
    unfinished.replace(copy)
    return copy


def digest(wheel: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _fits(name: str, machine: str, glibc: int) -> bool:
    named = _NAME.fullmatch(name)
    if named is None or named["version"] != pinned():
        return False
    tags = named["platform"].split(".")
    oldest = (re.fullmatch(rf"manylinux_2_(\d+)_{machine}", tag) for tag in tags)
    return f"linux_{machine}" in tags or any(int(tag[1]) <= glibc for tag in oldest if tag)


def _glibc() -> int:
    name, version = platform.libc_ver()
    return int(version.split(".")[1]) if name == "glibc" else 0


def _check(wheel: Path) -> None:
    try:
        lines = (wheel.parent / SUMS).read_text().splitlines()
    except FileNotFoundError:
        return
    said = [line.split()[0] for line in lines if line.split()[1:] == [wheel.name]]
    if said and digest(wheel) not in said:
        raise SetupError(f"{wheel} is not the file that {wheel.parent / SUMS} tells of")
