"""What the native libraries in a tree need of the system's own."""

from __future__ import annotations

import re
from pathlib import Path

# Which release of GCC brought the latest symbols of its C++ library.
_GCC = {29: "11", 30: "12", 31: "13", 32: "13", 33: "14", 34: "15"}
_GLIBC = re.compile(rb"\0GLIBC_2\.(\d+)(?=[.\0])")
_GLIBCXX = re.compile(rb"\0GLIBCXX_3\.4\.(\d+)(?=\0)")


def needs(tree: Path) -> list[str]:
    """Debian's packages that the libraries below `tree` need, with their oldest versions."""
    libraries = [path.read_bytes() for path in sorted(tree.rglob("*.so*")) if path.is_file()]
    libc = max((_latest(_GLIBC, library) for library in libraries), default=0)
    cxx = max((_latest(_GLIBCXX, library) for library in libraries), default=0)
    gcc = next((release for symbols, release in _GCC.items() if symbols >= cxx), "15")
    found = {f"libc6 (>= 2.{libc})": libc, "libgomp1": 1, f"libstdc++6 (>= {gcc})": cxx}
    return [package for package, wanted in found.items() if wanted]


def _latest(pattern: re.Pattern[bytes], library: bytes) -> int:
    return max((int(minor) for minor in pattern.findall(library)), default=0)
