"""The sha256 of files, and proof that stored files are unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import msgspec

from edge_rt.core.errors import DamagedFile, ModelFileError
from edge_rt.core.files import open_regular
from edge_rt.models.store.manifest import Manifest, ManifestRecord, Stamp, StoredFile

_CHUNK = 1024 * 1024


Progress = Callable[[int, int], None]
"""Called now and then with the bytes done and the bytes in all."""


def unseen(done: int, total: int) -> None:
    """Show nobody how far it is."""


def digest(file: Path, progress: Progress = unseen) -> str:
    """Return the sha256 of `file` in hexadecimal; raises OSError."""
    with open_regular(file) as source:
        return _pump(source, None, progress)


def copy(
    file: Path,
    target: Path,
    progress: Progress = unseen,
    reading: AbstractContextManager[None] | None = None,
) -> str:
    """Copy `file`, opened within `reading`, to the new file `target` and return its sha256.

    Raises OSError.
    """
    with reading or nullcontext():
        source = open_regular(file)
    with source, target.open("xb") as sink:
        return _pump(source, sink, progress)


def behind(progress: Progress, done: int, total: int) -> Progress:
    """Return the progress of one of several files: `done` of `total` bytes came before it."""
    return lambda more, _: progress(done + more, total)


def forward(progress: Progress) -> Progress:
    """Return `progress` such that it never goes back: what is read again counts once."""
    most = 0

    def show(done: int, total: int) -> None:
        nonlocal most
        most = max(most, done)
        progress(most, total)

    return show


def _pump(source: BinaryIO, sink: BinaryIO | None, progress: Progress) -> str:
    total = source.seek(0, 2)
    source.seek(0)
    hasher, done = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        hasher.update(chunk)
        if sink is not None:
            sink.write(chunk)
        done += len(chunk)
        progress(done, total)
    return hasher.hexdigest()


class Proof:
    """Checks the files of the store at `root`, and notes in the manifest when it hashed one."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self._root = root
        self._manifest = manifest
        self._hashed: dict[tuple[str, str, str], Stamp] = {}  # id, name, sha256; in this process

    def quick(self, record: ManifestRecord) -> None:
        """Pass files that bear a stamp under which they were hashed; hash others.

        Raises DamagedFile when one is missing or its content changed.
        """
        for file in record.files:
            stamp = self._stamp(record, file)
            if stamp not in (file.stamp, self._hashed.get((record.id, file.name, file.sha256))):
                self._hash(record, file, stamp, unseen)

    def full(self, record: ManifestRecord, progress: Progress) -> None:
        """Hash all files; raises DamagedFile when one is missing or its content changed."""
        done = 0
        for file in record.files:
            stamp = self._stamp(record, file)
            self._hash(record, file, stamp, behind(progress, done, record.size))
            done += stamp.size

    def _hash(
        self, record: ManifestRecord, file: StoredFile, stamp: Stamp, progress: Progress
    ) -> None:
        path = record.directory(self._root) / file.name
        if stamp.size != file.stamp.size:  # a sparse file of any length is not read
            message = f"{path}: damaged or changed: it has {stamp.size} bytes"
            raise DamagedFile(f"{message}, not {file.stamp.size}; {_advice(record)}")
        try:
            found = digest(path, progress)
        except OSError as error:
            raise _unreadable(record, path, error) from error
        if found != file.sha256:
            message = f"{path}: damaged or changed: its sha256 is {found}, expected {file.sha256}"
            raise DamagedFile(f"{message}; {_advice(record)}")
        if self._stamp(record, file) != stamp:
            raise ModelFileError(f"{path}: somebody wrote to it while it was being checked")
        if stamp != file.stamp:
            self._note(record, file, stamp)

    def _note(self, record: ManifestRecord, file: StoredFile, stamp: Stamp) -> None:
        self._hashed[record.id, file.name, file.sha256] = stamp
        proven = msgspec.structs.replace(file, stamp=stamp)

        def note(now: ManifestRecord) -> ManifestRecord:
            files = tuple(proven if each == file else each for each in now.files)
            return msgspec.structs.replace(now, files=files)

        self._manifest.amend(record.id, note)

    def _stamp(self, record: ManifestRecord, file: StoredFile) -> Stamp:
        path = record.directory(self._root) / file.name
        try:
            return Stamp.of(path.stat())
        except OSError as error:
            raise _unreadable(record, path, error) from error


def _unreadable(record: ManifestRecord, path: Path, error: OSError) -> DamagedFile:
    return DamagedFile(f"{path}: {error.strerror or error}; {_advice(record)}")


def _advice(record: ManifestRecord) -> str:
    return (
        f"`edge-rt models pull {record.id}` fetches again what the catalogue has, else remove the "
        f"model and add it again; `edge-rt models verify {record.id}` checks it"
    )
