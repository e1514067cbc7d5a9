"""Proof that a stored file still is what it was when it came in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from edge_rt.errors import ModelFileError, StoreError
from edge_rt.models.digest import Progress, digest
from edge_rt.models.manifest import Manifest, Record, Stamp


class Proof:
    """Checks the files of the store at `root`, and notes in the manifest when it hashed one."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self._root = root
        self._manifest = manifest
        self._hashed: dict[tuple[str, str], Stamp] = {}  # by id and sha256, in this process

    def quick(self, record: Record) -> None:
        """Pass a file that bears a stamp under which it was hashed; else hash it.

        Raises ModelFileError when it is missing or its content changed.
        """
        stamp = self._stamp(record)
        if stamp not in (record.stamp, self._hashed.get((record.id, record.sha256))):
            self._hash(record, stamp, None)

    def full(self, record: Record, progress: Progress | None) -> None:
        """Hash the file; raises ModelFileError when it is missing or its content changed."""
        self._hash(record, self._stamp(record), progress)

    def _hash(self, record: Record, stamp: Stamp, progress: Progress | None) -> None:
        path = record.path(self._root)
        try:
            found = digest(path, progress)
        except OSError as error:
            raise _unreadable(record, path, error) from error
        if found != record.sha256:
            message = f"{path}: sha256 is {found}, expected {record.sha256}"
            advice = "remove the model and pull or add it again"
            raise ModelFileError(f"{message}; it was changed or is damaged: {advice}")
        if self._stamp(record) != stamp:
            raise ModelFileError(f"{path}: somebody wrote to it while it was being checked")
        if stamp != record.stamp:
            self._note(record, stamp)

    def _note(self, record: Record, stamp: Stamp) -> None:
        self._hashed[record.id, record.sha256] = stamp
        proven = msgspec.structs.replace(record, stamp=stamp)
        # A daemon that may only read the store, or comes while a command changes it, remembers
        # for as long as it lives.
        with suppress(StoreError), self._manifest.changing(wait=False) as records:
            if records.get(record.id) == record:
                self._manifest.write(records | {record.id: proven})

    def _stamp(self, record: Record) -> Stamp:
        path = record.path(self._root)
        try:
            return Stamp.of(path.stat())
        except OSError as error:
            raise _unreadable(record, path, error) from error


def _unreadable(record: Record, path: Path, error: OSError) -> ModelFileError:
    advice = f"if it is gone, remove {record.id} and pull or add it again"
    return ModelFileError(f"{path}: {error.strerror or error}; {advice}")
