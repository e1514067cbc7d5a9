"""What only the operating system can provide: a compiler and Python's venv module."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.progress import Progress

# apt waits so many seconds for another apt or dpkg, such as that of unattended upgrades.
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
_ATTEMPTS, _ATTEMPT_S = 60, 5.0


@dataclass(frozen=True)
class Need:
    """Something that is missing, in words and as Debian packages."""

    what: str
    packages: tuple[str, ...]


def venv_need() -> Need | None:
    """None when `python -m venv` will work: Debian keeps ensurepip in a package of its own."""
    if all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return None
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Need("Python's venv module", (f"python{version}-venv",))


def compiler_need(env: Mapping[str, str] = os.environ) -> Need | None:
    """None when C and C++ programs can be compiled and linked ($CC and $CXX are heeded)."""
    c = _compiler(env.get("CC"), ("cc", "gcc", "clang"), env)
    cxx = _compiler(env.get("CXX"), ("c++", "g++", "clang++"), env)
    if _compiles(c, "c", "stdio.h", env) and _compiles(cxx, "c++", "cstdio", env):
        return None
    return Need("a C and C++ compiler, to build llama.cpp once", ("gcc", "g++", "libc6-dev"))


def openmp_need() -> Need | None:
    """None when GCC's OpenMP library is there, without which llama.cpp does not load."""
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return Need("GCC's OpenMP library, which llama.cpp uses", ("libgomp1",))
    return None


def provide(
    needs: Sequence[Need | None],
    log: Path,
    *,
    root: bool,
    env: Mapping[str, str] = os.environ,
    progress: Progress | None = None,
) -> None:
    """Install `needs` as root on Debian; otherwise raise SetupError with the command to run.

    None is nothing that is needed.
    """
    missing = [need for need in needs if need is not None]
    if not missing:
        return
    packages = [package for need in missing for package in need.packages]
    apt = shutil.which("apt-get", path=env.get("PATH")) is not None
    if not (root and apt):
        raise SetupError(_advice(missing, packages, apt))
    _install(packages, log, env, progress or Progress(f"Installing {' '.join(packages)}"))


def _compiler(named: str | None, usual: Sequence[str], env: Mapping[str, str]) -> list[str]:
    if named:
        return shlex.split(named)
    found = (shutil.which(name, path=env.get("PATH")) for name in usual)
    return [next(filter(None, found), usual[0])]


def _compiles(compiler: list[str], language: str, header: str, env: Mapping[str, str]) -> bool:
    source = f"#include <{header}>\nint main(void) {{ return 0; }}\n"
    with tempfile.TemporaryDirectory() as scratch:
        argv = [*compiler, "-x", language, "-", "-o", f"{scratch}/program"]
        try:
            done = subprocess.run(
                argv, input=source.encode(), capture_output=True, env=dict(env), check=False
            )
        except OSError:
            return False
    return done.returncode == 0


def _install(packages: list[str], log: Path, env: Mapping[str, str], progress: Progress) -> None:
    env = {**env, "DEBIAN_FRONTEND": "noninteractive"}
    install = [*APT, "install", "--yes", "--no-install-recommends", *packages]
    with progress:
        try:
            run_logged(install, log, env=env)
        except SetupError:  # the package lists may be missing or old
            refresh_lists(log, env)
            run_logged(install, log, env=env)


def refresh_lists(
    log: Path,
    env: Mapping[str, str] = os.environ,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Fetch the package lists, as root; apt does not wait by itself for their lock."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(_ATTEMPT_S)
        try:
            run_logged([*APT, "update"], log, env=env)
            break
        except SetupError as error:
            if attempt == _ATTEMPTS - 1 or "lists/lock" not in str(error):
                raise


def _advice(needs: Sequence[Need], packages: list[str], apt: bool) -> str:
    missing = "".join(f"  {need.what}\n" for need in needs)
    names = " ".join(packages)
    how = f"  sudo {' '.join(APT)} install {names}" if apt else f"  (Debian's names: {names})"
    return f"Missing on this system:\n{missing}Install it:\n{how}\nThen try again."
