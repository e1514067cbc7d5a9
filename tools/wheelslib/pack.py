"""Wheels with the same bytes whenever they are made of the same files."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from bootstrap import SetupError

_OLDEST_GLIBC = 17  # 2.17 is the first with aarch64
_1980 = 315532800  # seconds since 1970
_LICENSES = {"LICENSE.md": "LICENSE.md", "vendor/llama.cpp/LICENSE": "llama.cpp/LICENSE"}


def pack(
    source: Path,
    libraries: Sequence[Path],
    folder: Path,
    *,
    architecture: str,
    flavour: str = "",
    when: int = 0,
) -> Path:
    """Write the wheel of the Python package in `source` with `libraries` into `folder`.

    `flavour`, such as "cuda", ends its version. `when`, in seconds since 1970, is the time of all
    that it holds; a ZIP file knows none before 1980. Raises SetupError.
    """
    metadata = (source / "PKG-INFO").read_text()
    if (found := re.search(r"^Version: (\S+)$", metadata, re.MULTILINE)) is None:
        raise SetupError(f"{source}/PKG-INFO has no version")
    version = found[1] + (f"+{flavour}" if flavour else "")
    metadata = metadata.replace(found[0], f"Version: {version}", 1)
    tag = f"py3-none-manylinux_2_{glibc(libraries)}_{architecture}"
    name = f"llama_cpp_python-{version}"
    files = _package(source) | {
        f"llama_cpp/lib/{path.name}": path.read_bytes() for path in libraries
    }
    info = f"{name}.dist-info"
    for place, called in _LICENSES.items():
        files[f"{info}/licenses/{called}"] = (source / place).read_bytes()
    files[f"{info}/METADATA"] = metadata.encode()
    files[f"{info}/WHEEL"] = _wheel(tag).encode()
    lines = [_line(path, data) for path, data in sorted(files.items())]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    wheel = folder / f"{name}-{tag}.whl"
    _write(wheel, files, when)
    return wheel


def glibc(libraries: Sequence[Path]) -> int:
    """The minor version of the oldest glibc 2 that has all that `libraries` ask for.

    Raises SetupError where they ask for a C++ library, which old systems have too old.
    """
    asked = subprocess.run(
        ["readelf", "--version-info", "--wide", *libraries],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if cxx := re.search(r"GLIBCXX_[\d.]+|CXXABI_[\d.]+", asked):
        raise SetupError(f"The libraries need the system's C++ library ({cxx[0]})")
    return max([_OLDEST_GLIBC, *map(int, re.findall(r"\bGLIBC_2\.(\d+)", asked))])


def _package(source: Path) -> dict[str, bytes]:
    paths = (source / "llama_cpp").rglob("*")
    kept = [path for path in paths if path.suffix == ".py" or path.name == "py.typed"]
    return {path.relative_to(source).as_posix(): path.read_bytes() for path in kept}


def _wheel(tag: str) -> str:
    lines = (
        "Wheel-Version: 1.0",
        "Generator: tools/wheels",
        "Root-Is-Purelib: false",
        f"Tag: {tag}",
    )
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(data)}\n"


def _write(wheel: Path, files: dict[str, bytes], when: int) -> None:
    unfinished = wheel.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, time.gmtime(max(when, _1980))[:6])
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, files[name])
    unfinished.replace(wheel)
