"""Models in a folder, as on a USB stick, with SHA256SUMS for all of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_rt.core.errors import EdgeError, ModelFileError, ModelNotFound
from edge_rt.models.formats.card import CARD
from edge_rt.models.naming import ID_PATTERN, content_sha256
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.digest import SUMS, Progress, read_sums
from edge_rt.models.store.disk import owned, require_space, store_errors
from edge_rt.models.store.incoming import GRAPH, Offer, look
from edge_rt.models.store.store import Store

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
