"""The guest's root: a Python with its libraries, our package, smbus2 and the modules."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bootstrap import SetupError

_LEFT_OUT = frozenset(
    ("test", "site-packages", "dist-packages", "idlelib", "tkinter", "lib2to3", "ensurepip")
)
_PROBE = """
import json, pathlib, smbus2, sys, sysconfig, typing_extensions
print(json.dumps({
    "python": str(pathlib.Path(sys.executable).resolve()),
    "library": sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}),
    "smbus2": str(pathlib.Path(smbus2.__file__).parent),
    "typing_extensions": typing_extensions.__file__,
}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter, its standard library, and what our readers need beside them."""

    program: Path
    library: Path
    smbus2: Path
    typing_extensions: Path


def python_of(venv_python: Path) -> Python:
    """Return what the environment of `venv_python` stands on."""
    argv = [str(venv_python), "-c", _PROBE]
    said = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    names = ("python", "library", "smbus2", "typing_extensions")
    return Python(*(Path(said[name]) for name in names))


def files(python: Python, checkout: Path, modules: Iterable[Path]) -> dict[str, Path]:
    """Return what lies where in the guest; interpreter and libraries where they lie here."""
    found = {str(path): path for path in _library(python.library)}
    programs = [python.program, *(Path(p) for p in found if p.endswith(".so"))]
    found |= {str(path): path for path in (*_libraries(programs), python.program)}
    found |= {f"/modules/{path.name}": path for path in modules}
    for source, place in (
        (checkout / "edge_rt/board", "/edge_rt/board"),
        (checkout / "edge_rt/core", "/edge_rt/core"),
        (checkout / "tools/vm", "/vm"),
        (python.smbus2, "/smbus2"),
    ):
        found |= {f"{place}/{p.relative_to(source)}": p for p in source.rglob("*.py")}
    found["/typing_extensions.py"] = python.typing_extensions
    return found | {"/edge_rt/__init__.py": checkout / "edge_rt/__init__.py"}


def _library(folder: Path) -> Iterator[Path]:
    """The standard library with its bytecode, which spares the guest much work."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if _LEFT_OUT & set(parts) or parts[0].startswith("config-") or ".opt-" in path.name:
            continue
        if path.is_file():
            yield path


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that programs need, the loader included."""
    argv = ["ldd", *map(str, programs)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    words = (word for line in said.splitlines() if line[:1].isspace() for word in line.split())
    found = {Path(word) for word in words if word.startswith("/")}
    if not found:
        raise SetupError(f"ldd tells nothing of {argv[1]}.")
    return found | {path for path in (Path("/etc/ld.so.cache"),) if path.exists()}


def write(target: BinaryIO, files: Mapping[str, Path]) -> None:
    """A cpio archive ("newc") of `files`, their folders and a console."""
    folders = {str(p) for name in files for p in Path(name).parents} - {"/"}
    names = [*sorted(folders), *sorted(files)]
    _entry(target, 1, "dev", stat.S_IFDIR | 0o755)
    _entry(target, 2, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for number, name in enumerate(names, 3):
        if (path := files.get(name)) is None:
            _entry(target, number, name[1:], stat.S_IFDIR | 0o755)
        else:
            # The time makes compiled Python files valid.
            time = int(path.stat().st_mtime)
            _entry(target, number, name[1:], stat.S_IFREG | 0o755, path.read_bytes(), time)
    _entry(target, 0, "TRAILER!!!", 0)


def _entry(
    target: BinaryIO,
    number: int,
    name: str,
    mode: int,
    data: bytes = b"",
    time: int = 0,
    device: tuple[int, int] = (0, 0),
) -> None:
    raw = name.encode() + b"\0"
    # inode, mode, user, group, links, time, size, device of the file, device that it is, name, sum
    fields = (number, mode, 0, 0, 1, time, len(data), 0, 0, *device, len(raw), 0)
    header = b"070701" + "".join(f"{field:08X}" for field in fields).encode()
    for part in (header + raw, data):
        target.write(part + b"\0" * (-len(part) % 4))
