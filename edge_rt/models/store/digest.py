"""The sha256 of whole files, and SHA256SUMS, the list that `sha256sum` writes and checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edge_rt.core.errors import ModelFileError
from edge_rt.core.files import READABLE, replace_file
from edge_rt.models.store.disk import open_regular

SUMS = "SHA256SUMS"

_MAX_BYTES = 4 * 1024 * 1024  # some 40,000 files
_LINE = re.compile(r"([0-9A-Fa-f]{64}) [ *](.+)\Z")


def read_sums(folder: Path) -> dict[str, str]:
    """The sha256 of each file that the list of `folder` names, by its path below that.

    Raises ModelFileError where there is no list, or for a line that is none of such a list.
    """
    path = folder / SUMS
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ModelFileError(f"{path}: more than {_MAX_BYTES} bytes")
        lines = content.decode().splitlines()
    except FileNotFoundError:
        advice = f"`edge-rt models export` writes it, and so does: sha256sum *.gguf > {SUMS}"
        raise ModelFileError(f"{path} is missing, the checksums of its files; {advice}") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ModelFileError(f"{path}: not UTF-8") from None
    return dict(_entry(path, n, line) for n, line in enumerate(lines, 1) if line.strip())


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Replace the list of `folder`; raises OSError."""
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    replace_file(folder / SUMS, lines.encode(), READABLE)


def _entry(path: Path, number: int, line: str) -> tuple[str, str]:
    found = _LINE.match(line)
    if found is None:
        message = f"{line!r:.80} is no sha256 with the name of a file"
        raise ModelFileError(f"{path}:{number}: {message}")
    name = PurePosixPath(found[2])  # "./x" becomes "x"
    if name.is_absolute() or ".." in name.parts or "\0" in found[2]:
        raise ModelFileError(f"{path}:{number}: {found[2]!r:.200} leads out of the folder")
    return str(name), found[1].lower()


Progress = Callable[[int, int], None]
"""Called now and then with the bytes done and the bytes in all."""

_CHUNK = 1024 * 1024


def digest(file: Path, progress: Progress | None = None) -> str:
    """The sha256 of `file` in hexadecimal; raises OSError."""
    with open_regular(file) as source:
        return _pump(source, None, progress)


def copy(file: Path, target: Path, progress: Progress | None = None) -> str:
    """Copy `file` to the new file `target` and return its sha256; raises OSError."""
    with open_regular(file) as source, target.open("xb") as sink:
        return _pump(source, sink, progress)


def behind(progress: Progress | None, done: int, total: int) -> Progress | None:
    """The progress of one of several files: `done` bytes came before it, of `total` in all."""
    if progress is None:
        return None
    tell = progress
    return lambda more, _: tell(done + more, total)


def forward(progress: Progress | None) -> Progress | None:
    """Return `progress` such that it never goes back: what is read again counts once."""
    if progress is None:
        return None
    tell, most = progress, 0

    def show(done: int, total: int) -> None:
        nonlocal most
        most = max(most, done)
        tell(most, total)

    return show


def _pump(source: BinaryIO, sink: BinaryIO | None, progress: Progress | None) -> str:
    total = source.seek(0, 2)
    source.seek(0)
    hasher, done = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        hasher.update(chunk)
        if sink is not None:
            sink.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    return hasher.hexdigest()
