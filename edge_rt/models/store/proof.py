"""Proof that stored files still are what they were when they came in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from edge_rt.core.errors import DamagedFile, ModelFileError, StoreError
from edge_rt.models.store.digest import Progress, behind, digest
from edge_rt.models.store.manifest import Manifest, ManifestRecord, Stamp, StoredFile


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
                self._hash(record, file, stamp, None)

    def full(self, record: ManifestRecord, progress: Progress | None) -> None:
        """Hash all files; raises DamagedFile when one is missing or its content changed."""
        done = 0
        for file in record.files:
            stamp = self._stamp(record, file)
            self._hash(record, file, stamp, behind(progress, done, record.size))
            done += stamp.size

    def _hash(
        self, record: ManifestRecord, file: StoredFile, stamp: Stamp, progress: Progress | None
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
        # A daemon that may only read the store, or comes while a command changes it, remembers
        # for as long as it lives.
        with suppress(StoreError), self._manifest.changing(wait=False) as records:
            now = records.get(record.id)
            if now is not None and file in now.files:
                files = tuple(proven if each == file else each for each in now.files)
                changed = msgspec.structs.replace(now, files=files)
                self._manifest.write(records | {record.id: changed})

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
