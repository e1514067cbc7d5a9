"""The store's table of contents, one JSON file that is replaced as a whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from edge_rt.core.errors import StoreError
from edge_rt.core.files import (
    READABLE,
    NewerFile,
    Sha256,
    decode_kept,
    read_regular,
    replace_file,
)
from edge_rt.models.formats.summary import Summary
from edge_rt.models.naming import BackendName, FileName, Id, content_sha256
from edge_rt.models.store.disk import changing, store_errors

log = logging.getLogger(__name__)

VERSION = 2


class Stamp(msgspec.Struct, frozen=True):
    """What changes when a file is replaced or written to."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of a file with that `status`."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None where there is none. Raises OSError."""
    try:
        return Stamp.of(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


class StoredFile(msgspec.Struct, frozen=True):
    """A file of a model, whose content had this sha256 when it had this stamp."""

    name: FileName
    sha256: Sha256
    stamp: Stamp


class ManifestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One model and its files, the main one first."""

    id: Id
    files: Annotated[tuple[StoredFile, ...], Meta(min_length=1)]
    created: int  # Unix seconds
    backend: BackendName
    summary: Summary
    hub: str = ""  # where it was fetched from, as OWNER/REPOSITORY/FILE; "": elsewhere

    @property
    def sha256(self) -> str:
        """The identity of what the files hold; see content_sha256."""
        return content_sha256((file.name, file.sha256) for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stamp.size for file in self.files)

    def directory(self, root: Path) -> Path:
        """Return where the files lie in the store at `root`; nothing else does."""
        return root / self.id

    def path(self, root: Path) -> Path:
        """Return where the main file lies in the store at `root`."""
        return self.directory(root) / self.files[0].name

    def paths(self, root: Path) -> dict[str, Path]:
        """Return where each file lies in the store at `root`, by its name."""
        return {file.name: self.directory(root) / file.name for file in self.files}


class _Document(msgspec.Struct, kw_only=True):
    version: int
    models: list[ManifestRecord]
    default: str | None = None


class _Contents(NamedTuple):
    records: dict[str, ManifestRecord]
    default: str | None  # the id of the model that was made the default, if any


class Manifest:
    """The records by id; every reader reads the file again once a writer has replaced it.

    Every writer keeps a copy beside it, which is read where the file itself is damaged or missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "manifest.json"
        self._copy = root / ".manifest.json.copy"
        self._seen: tuple[Stamp, _Contents] | None = None

    def read(self) -> Mapping[str, ManifestRecord]:
        """Return what the file holds now; nothing when there is none. Raises StoreError."""
        return self._contents().records

    def default(self) -> str | None:
        """Return the model that was made the default, if it is there. Raises StoreError."""
        records, default = self._contents()
        return default if default in records else None

    def _contents(self) -> _Contents:
        with store_errors("cannot read the model store"):
            stamp = self.stamp()
            if stamp is None:
                return _Contents({}, None)
            if self._seen is None or self._seen[0] != stamp:
                self._seen = (stamp, self._whole())
            return self._seen[1]

    def stamp(self) -> Stamp | None:
        """Return the present stamp of the file, or else of its copy; None when there is neither.

        Raises OSError.
        """
        try:
            stamp = stamp_of(self._path)
        except OSError:  # such as a symbolic link to itself
            if stamp_of(self._copy) is None:
                raise
            stamp = None
        return stamp_of(self._copy) if stamp is None else stamp

    @contextmanager
    def changing(self, *, wait: bool = True) -> Generator[dict[str, ManifestRecord]]:
        """Give a copy of the records to change, while no other process can.

        Raises StoreError; when another process is at it, only if `wait` is False.
        """
        with changing(self._root, wait=wait):
            yield dict(self.read())

    def amend(self, id: str, change: Callable[[ManifestRecord], ManifestRecord]) -> None:
        """Replace the record of `id` by what `change` makes of it, if that can be done at once.

        It cannot where the store may only be read, or while a command changes it.
        """
        with suppress(StoreError), self.changing(wait=False) as records:
            now = records.get(id)
            if now is not None and (changed := change(now)) != now:
                self.write(records | {id: changed})

    def write(self, records: Mapping[str, ManifestRecord], *, default: str | None = None) -> None:
        """Replace the file; only within `changing`. Raises StoreError.

        `default` is the default model from now on; None: the one that was, if it is still there.
        """
        models = [records[id] for id in sorted(records)]
        default = default or self.default()
        kept = default if default in records else None
        document = msgspec.json.encode(_Document(version=VERSION, models=models, default=kept))
        content = msgspec.json.format(document) + b"\n"
        with store_errors("cannot write the model store"):
            replace_file(self._path, content, READABLE)
        with suppress(OSError):  # the file itself is whole
            replace_file(self._copy, content, READABLE)

    def _whole(self) -> _Contents:
        try:
            return self._decode(self._path)
        except (StoreError, OSError) as error:
            if isinstance(error.__cause__, NewerFile):  # the copy may be older
                raise
            with suppress(StoreError, OSError):
                copied = self._decode(self._copy)
                log.warning("%s; its copy %s is used", error, self._copy.name)
                return copied
            if isinstance(error, FileNotFoundError):
                return _Contents({}, None)
            raise

    def _decode(self, path: Path) -> _Contents:
        advice = "move it away, then take in every model again: "
        advice += f"edge-rt models add {self._root}/ID/FILE --move --id ID"
        try:
            document = decode_kept(read_regular(path), _Document, VERSION)
            if document.version != VERSION:
                raise ValueError(f"version {document.version} is no longer read")
        except NewerFile as error:
            advice = "upgrade, or name another directory in models.store"
            raise StoreError(f"{path}: {error}; {advice}") from error
        except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
            raise StoreError(f"{path}: {error}; {advice}") from error
        return _Contents({record.id: record for record in document.models}, document.default)
