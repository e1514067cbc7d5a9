"""A file on its way into the store, which gets in whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from edge_rt.durable import sync
from edge_rt.models.digest import Progress, copy, digest
from edge_rt.models.disk import require_space
from edge_rt.models.manifest import Stamp

DRAFTS = ".incoming"  # below the store; what a killed command left there goes with the next one


class Incoming:
    """Hashes `file`, copying it into the store at `root` unless it can be moved there.

    A context manager; only within it, and with the store locked. When the block fails, `file` is
    where it was and nothing is left in the store. Raises OSError or StoreError.
    """

    def __init__(self, root: Path, file: Path, move: bool, progress: Progress | None) -> None:
        self._drafts = root / DRAFTS
        self._file = file
        self._move = move
        # Moving a symbolic link would leave its target behind.
        same_disk = file.stat().st_dev == root.stat().st_dev
        self._in_place = move and same_disk and not file.is_symlink()
        self._progress = progress
        self._placed: Path | None = None

    def __enter__(self) -> Incoming:
        _delete(self._drafts)
        if self._in_place:
            self.path = self._file
            self.stamp = Stamp.of(self.path.stat())  # before: later writes must not pass
            self.sha256 = digest(self.path, self._progress)
        else:
            self.path = self._drafts / "file"
            self.sha256 = self._copy()
            self.stamp = Stamp.of(self.path.stat())
        return self

    def place(self, target: Path) -> None:
        """Rename the file to `target`, in a directory of its own that others may read."""
        _delete(target.parent)  # half of an earlier attempt, or a damaged file
        target.parent.mkdir(mode=0o755)
        target.parent.chmod(0o755)  # whatever the umask: the daemon may be another user
        self.path.chmod(0o644)
        sync(self.path)
        self._placed = target
        self.path.replace(target)
        sync(target.parent)
        sync(target.parent.parent)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and self._placed is not None:
            self._take_back(self._placed)
        elif kind is None and self._move and not self._in_place:
            with suppress(OSError):  # the model is in; that its source stays is no failure
                self._file.unlink()
        _delete(self._drafts)

    def _copy(self) -> str:
        require_space(self._drafts.parent, self._file.stat().st_size)
        self._drafts.mkdir(mode=0o700)
        try:
            return copy(self._file, self.path, self._progress)
        except BaseException:
            _delete(self._drafts)
            raise

    def _take_back(self, placed: Path) -> None:
        if self._in_place and placed.exists():
            placed.replace(self._file)
        _delete(placed.parent)


def _delete(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
