"""Reading and copying whole files while taking their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from edge_rt.models.store.disk import open_regular

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
