"""Models in a folder, as on a USB stick, with SHA256SUMS for all of them: export and import."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_rt.core.errors import DamagedFile, EdgeError, ModelFileError, ModelNotFound, StoreError
from edge_rt.core.files import sync
from edge_rt.models.formats.card import CARD
from edge_rt.models.naming import ID_PATTERN, content_sha256
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.digest import SUMS, Progress, behind, copy, read_sums, write_sums
from edge_rt.models.store.disk import delete, owned, require_space, store_errors
from edge_rt.models.store.incoming import GRAPH, Offer, look
from edge_rt.models.store.store import Store

_DRAFT = ".edge-rt-export"  # what a killed command left there goes with the next one


def packed(folder: Path) -> dict[str, str]:
    """Return the checksums of the files in `folder`; none where it is new.

    Raises ModelFileError where SHA256SUMS cannot be read.
    """
    return read_sums(folder) if (folder / SUMS).exists() else {}


def missing(entries: Sequence[ModelRecord], folder: Path) -> list[ModelRecord]:
    """Return the entries that `folder` lacks; raise StoreError where it has no room."""
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
        delete(draft)
        draft.mkdir()
        try:
            _copy(entry, draft, progress)
            below = f"{entry.id}/"
            kept = {name: s for name, s in packed(folder).items() if not name.startswith(below)}
            write_sums(folder, kept)  # nothing is promised while the files change
            delete(home)
            draft.replace(home)
            sync(folder)
        finally:
            delete(draft)
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


Sums = Mapping[Path, str]
"""The sha256 that each file is to have."""


@dataclass(frozen=True)
class BundlePiece:
    """One model of the folder, a file or a folder of its own.

    `present` is the model of the store that is the same, and `there` whether that is unharmed.
    `refusal` is why the piece cannot be taken in, None where it can.
    """

    place: Path
    id: str | None  # None: to be made of its name
    sums: Sums
    size: int = 0  # bytes
    present: ModelRecord | None = None
    there: bool = False
    refusal: EdgeError | None = None

    @property
    def name(self) -> str:
        """What to call it before it has an id."""
        return self.id or self.place.name


def unpack(folder: Path, store: Store, wanted: Sequence[str] = ()) -> list[BundlePiece]:
    """The models of `folder`, or those of it that are `wanted`, looked at and not yet taken in.

    Raises ModelFileError for a folder without models or checksums, ModelNotFound for a wanted one
    that is not in it, StoreError where the store lacks room for all that is to come.
    """
    sums = {folder / name: sha256 for name, sha256 in read_sums(folder).items()}
    pieces = [_examined(piece, store) for piece in _chosen(folder, sums, wanted)]
    need = sum(piece.size for piece in pieces if not (piece.there or piece.refusal))
    with owned(store.root), store_errors(f"cannot import {folder}"):
        store.root.mkdir(parents=True, exist_ok=True)
        require_space(store.root, need)
    return pieces


def take_in(piece: BundlePiece, store: Store, progress: Progress | None = None) -> ModelRecord:
    """Store the model of a bundle if every file has its checksum, or else none of its files.

    Raises the refusal, or what Store.add and Store.mend do.
    """
    if piece.refusal is not None:
        raise piece.refusal
    if piece.present is not None:
        return store.mend(piece.place, piece.present.id, progress=progress)
    return store.add(piece.place, piece.id, sums=piece.sums, progress=progress)


def _chosen(folder: Path, sums: Sums, wanted: Sequence[str]) -> list[BundlePiece]:
    pieces = list(_pieces(folder, sums))
    if not pieces:
        raise ModelFileError(f"{folder / SUMS} names no GGUF file and no {GRAPH} in a folder")
    names = [piece.name for piece in pieces]
    for name in wanted:
        if name not in names:
            raise ModelNotFound(f"no model {name!r:.120} in {folder}, it has {', '.join(names)}")
    return [piece for piece in pieces if not wanted or piece.name in wanted]


def _pieces(folder: Path, sums: Sums) -> Iterable[BundlePiece]:
    """A GGUF file is a model, and so is a folder with model.onnx.

    One that is alone in a folder is called like that.
    """
    places = [path for path in sums if path.suffix.lower() == ".gguf"]
    places += [path.parent for path in sums if path.name == GRAPH and path.parent != folder]
    homes = [place.parent if place in sums else place for place in places]
    for place, home in sorted(zip(places, homes, strict=True)):
        alone = homes.count(home) == 1 and home != folder
        id = home.name if alone and re.match(ID_PATTERN, home.name) else None
        yield BundlePiece(place, id, sums)


def _examined(piece: BundlePiece, store: Store) -> BundlePiece:
    """Return a piece with its size and what the store has of it, or with the refusal."""
    try:
        with store_errors(f"cannot read {piece.place}"):
            return _measured(piece, store)
    except EdgeError as error:
        return replace(piece, refusal=error)


def _measured(piece: BundlePiece, store: Store) -> BundlePiece:
    offer = look(piece.place)
    sha256 = content_sha256(_content(offer, piece.sums))
    present = next((each for each in store.entries() if each.sha256 == sha256), None)
    there = present is not None and store.harm(present.id) is None
    size = sum(path.stat().st_size for path in offer.files.values())
    return replace(piece, size=size, present=present, there=there)


def _content(offer: Offer, sums: Sums) -> Iterable[tuple[str, str]]:
    for name, path in offer.files.items():
        if path not in sums:
            raise ModelFileError(f"{path}: {SUMS} has no checksum for it")
        yield name, sums[path]
    if offer.made is not None:
        yield CARD, hashlib.sha256(offer.made).hexdigest()
