"""A model's files on their way into the store, which get in whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edge_rt.core.errors import ModelFileError
from edge_rt.core.files import sync
from edge_rt.models.formats.card import CARD
from edge_rt.models.store.content import content_sha256
from edge_rt.models.store.digest import Progress, behind, copy, digest
from edge_rt.models.store.disk import require_space
from edge_rt.models.store.manifest import Stamp, StoredFile
from edge_rt.models.store.offer import Offer

DRAFTS = ".incoming"  # below the store; what a killed command left there goes with the next one


class Incoming:
    """Hashes the files of `offer`, and has them in the store at `root` by copy or by `move`.

    A context manager; only within it, and with the store locked. The files stay where they are
    until the block has gone well: one that is moved has a second name in the store until then,
    where the disk is the same and knows such, or else a copy. When the block fails, nothing is
    left in the store. Raises OSError or StoreError.
    """

    def __init__(self, root: Path, offer: Offer, move: bool, progress: Progress | None) -> None:
        self._drafts = root / DRAFTS
        self._offer = offer
        self._move = move
        self._progress = progress
        self._placed: Path | None = None
        self._in_place = False  # whether the files were there before
        self.paths: dict[str, Path] = {}  # where the files are until they are placed, by name
        self.files: tuple[StoredFile, ...] = ()

    @property
    def sha256(self) -> str:
        """The identity of what came; see content_sha256."""
        return content_sha256((file.name, file.sha256) for file in self.files)

    def __enter__(self) -> Incoming:
        _delete(self._drafts)
        self._drafts.mkdir(mode=0o700)
        try:
            self.files = tuple(self._take())
        except BaseException:
            _delete(self._drafts)
            raise
        return self

    def require(self, sums: Mapping[Path, str]) -> None:
        """Raise ModelFileError for a file that is not what `sums` says of it; none is said of
        others.
        """
        for file in self.files:
            source = self._offer.files.get(file.name)
            expected = None if source is None else sums.get(source)
            if expected not in (None, file.sha256):
                message = f"{source}: damaged or changed: its sha256 is {file.sha256}"
                raise ModelFileError(f"{message}, expected {expected}; copy it anew")

    def place(self, directory: Path) -> None:
        """Rename the files into `directory`, which is theirs alone and which others may read."""
        home = directory.resolve()
        self._in_place = any(f.parent.resolve() == home for f in self._offer.files.values())
        _delete(directory)  # half of an earlier attempt, or damaged files
        self._placed = directory
        directory.mkdir(mode=0o755)
        directory.chmod(0o755)  # whatever the umask: the daemon may be another user
        for name, path in self.paths.items():
            path.chmod(0o644)
            sync(path)
            path.replace(directory / name)
        sync(directory)
        sync(directory.parent)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._in_place:
            pass
        elif kind is not None and self._placed is not None:
            _delete(self._placed)
        elif kind is None and self._move:
            for file in self._offer.files.values():
                with suppress(OSError):  # the model is in; that its source stays is no failure
                    file.unlink()
        _delete(self._drafts)

    def _take(self) -> list[StoredFile]:
        sources = self._offer.files
        self.paths = {name: self._drafts / name for name in sources}
        linked = {name for name in sources if self._move and _link(sources[name], self.paths[name])}
        sizes = {name: source.stat().st_size for name, source in sources.items()}
        require_space(
            self._drafts.parent, sum(sizes[name] for name in sources if name not in linked)
        )
        files, done = list[StoredFile](), 0
        for name, source in sources.items():
            progress = behind(self._progress, done, sum(sizes.values()))
            if name in linked:
                files.append(_stored(self.paths[name], progress))
            else:
                sha256 = copy(source, self.paths[name], progress)
                files.append(StoredFile(name, sha256, Stamp.of(self.paths[name].stat())))
            done += sizes[name]
        if self._offer.made is not None:
            self.paths[CARD] = self._drafts / CARD
            self.paths[CARD].write_bytes(self._offer.made)
            files.append(_stored(self.paths[CARD]))
        return files


def _link(source: Path, target: Path) -> bool:
    """Give the file a second name; False where that cannot be."""
    if source.is_symlink():  # moving a link would leave its target behind
        return False
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no such
        return False
    return True


def _stored(path: Path, progress: Progress | None = None) -> StoredFile:
    stamp = Stamp.of(path.stat())  # before: later writes must not pass
    return StoredFile(path.name, digest(path, progress), stamp)


def _delete(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
