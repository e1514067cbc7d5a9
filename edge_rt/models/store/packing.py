"""Models of the store put into a folder, to be taken to another machine; see luggage.py."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edge_rt.core.errors import DamagedFile, StoreError
from edge_rt.core.files import sync
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.checksums import SUMS, read_sums, write_sums
from edge_rt.models.store.digest import Progress, behind, copy
from edge_rt.models.store.disk import require_space, store_errors

_DRAFT = ".edge-rt-export"  # what a killed command left there goes with the next one


def packed(folder: Path) -> dict[str, str]:
    """The checksums of what is in `folder` already; none where it is new.

    Raises ModelFileError where SHA256SUMS cannot be read.
    """
    return read_sums(folder) if (folder / SUMS).exists() else {}


def missing(entries: Sequence[ModelRecord], folder: Path) -> list[ModelRecord]:
    """Those of `entries` that `folder` has not; StoreError where it lacks room for them."""
    sums = packed(folder)
    lacking = [entry for entry in entries if not _is_in(entry, folder, sums)]
    with store_errors(f"cannot export to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        require_space(folder, sum(entry.size for entry in lacking))
    return lacking


def pack(entry: ModelRecord, folder: Path, progress: Progress | None = None) -> None:
    """Copy the files of `entry` to `folder`/ID and note their checksums; whole or not at all.

    Raises DamagedFile for one that is not what came into the store, and StoreError, also where
    other files lie there.
    """
    draft, home = folder / _DRAFT, folder / entry.id
    with store_errors(f"cannot export {entry.id}"):
        _refuse_others(entry, home, packed(folder))
        _delete(draft)
        draft.mkdir()
        try:
            _copy(entry, draft, progress)
            kept = {name: s for name, s in packed(folder).items() if not _below(name, entry.id)}
            write_sums(folder, kept)  # nothing is promised while the files change
            _delete(home)
            draft.replace(home)
            sync(folder)
        finally:
            _delete(draft)
        write_sums(folder, kept | {f"{entry.id}/{f.path.name}": f.sha256 for f in entry.files})


def _copy(entry: ModelRecord, draft: Path, progress: Progress | None) -> None:
    done = 0
    for file in entry.files:
        target = draft / file.path.name
        if copy(file.path, target, behind(progress, done, entry.size)) != file.sha256:
            advice = f"`edge-rt models verify {entry.id}` checks it"
            raise DamagedFile(f"{file.path}: damaged or changed, so it was not copied; {advice}")
        sync(target)
        done += file.size


def _is_in(entry: ModelRecord, folder: Path, sums: dict[str, str]) -> bool:
    home = folder / entry.id
    try:
        return all(
            sums.get(f"{entry.id}/{file.path.name}") == file.sha256
            and (home / file.path.name).stat().st_size == file.size
            for file in entry.files
        )
    except OSError:
        return False


def _refuse_others(entry: ModelRecord, home: Path, sums: dict[str, str]) -> None:
    """What no export put there is not ours to replace."""
    own = {file.path.name for file in entry.files}
    there = {path.name for path in home.iterdir()} if home.is_dir() else set[str]()
    others = sorted(n for n in there - own if f"{entry.id}/{n}" not in sums)
    if others:
        raise StoreError(f"{home} has other files, such as {others[0]!r:.120}: export elsewhere")


def _below(name: str, id: str) -> bool:
    return name.startswith(f"{id}/")


def _delete(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
