"""A model's files on their way into the store, which get in whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edge_rt.durable import sync
from edge_rt.models.card import CARD
from edge_rt.models.content import content_sha256
from edge_rt.models.digest import Progress, behind, copy, digest
from edge_rt.models.disk import require_space
from edge_rt.models.manifest import Stamp, StoredFile
from edge_rt.models.offer import Offer

DRAFTS = ".incoming"  # below the store; what a killed command left there goes with the next one


class Incoming:
    """Hashes the files of `offer`, copying them into the store at `root` unless they can be moved.

    A context manager; only within it, and with the store locked. When the block fails, the files
    are where they were and nothing is left in the store. Raises OSError or StoreError.
    """

    def __init__(self, root: Path, offer: Offer, move: bool, progress: Progress | None) -> None:
        self._drafts = root / DRAFTS
        self._offer = offer
        self._move = move
        files = offer.files.values()
        # Moving a symbolic link would leave its target behind.
        self._in_place = move and all(
            file.stat().st_dev == root.stat().st_dev and not file.is_symlink() for file in files
        )
        self._sizes = {name: file.stat().st_size for name, file in offer.files.items()}
        self._progress = progress
        self._placed: dict[str, Path] = {}
        self.paths: Mapping[str, Path]  # where the files are until they are placed, by name
        self.files: tuple[StoredFile, ...]

    @property
    def sha256(self) -> str:
        """The identity of what came; see content_sha256."""
        return content_sha256((file.name, file.sha256) for file in self.files)

    def __enter__(self) -> Incoming:
        _delete(self._drafts)
        if not self._in_place:
            require_space(self._drafts.parent, sum(self._sizes.values()))
        self._drafts.mkdir(mode=0o700)
        try:
            self._take()
        except BaseException:
            _delete(self._drafts)
            raise
        return self

    def place(self, directory: Path) -> None:
        """Rename the files into `directory`, which is theirs alone and which others may read."""
        _delete(directory)  # half of an earlier attempt, or damaged files
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)  # whatever the umask: the daemon may be another user
        for name, path in self.paths.items():
            path.chmod(0o644)
            sync(path)
            self._placed[name] = directory / name
            path.replace(directory / name)
        sync(directory)
        sync(directory.parent)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self._placed:
            self._take_back()
        elif kind is None and self._move and not self._in_place:
            for file in self._offer.files.values():
                with suppress(OSError):  # the model is in; that its source stays is no failure
                    file.unlink()
        _delete(self._drafts)

    def _take(self) -> None:
        paths, files = dict[str, Path](), list[StoredFile]()
        done, total = 0, sum(self._sizes.values())
        for name, source in self._offer.files.items():
            progress = behind(self._progress, done, total)
            if self._in_place:
                paths[name] = source
                stamp = Stamp.of(source.stat())  # before: later writes must not pass
                sha256 = digest(source, progress)
            else:
                paths[name] = self._drafts / name
                sha256 = copy(source, paths[name], progress)
                stamp = Stamp.of(paths[name].stat())
            files.append(StoredFile(name, sha256, stamp))
            done += self._sizes[name]
        if self._offer.made is not None:
            paths[CARD] = self._drafts / CARD
            paths[CARD].write_bytes(self._offer.made)
            sha256 = hashlib.sha256(self._offer.made).hexdigest()
            files.append(StoredFile(CARD, sha256, Stamp.of(paths[CARD].stat())))
        self.paths, self.files = paths, tuple(files)

    def _take_back(self) -> None:
        for name, placed in self._placed.items():
            source = self._offer.files.get(name)
            if self._in_place and source is not None and placed.exists():
                placed.replace(source)
        _delete(next(iter(self._placed.values())).parent)


def _delete(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
