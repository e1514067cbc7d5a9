"""Models in a folder, as on a USB stick, with SHA256SUMS for all of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from edge_rt.core.errors import ModelFileError, ModelNotFound
from edge_rt.models.formats.card import CARD
from edge_rt.models.naming import ID_PATTERN, content_sha256
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.digest import SUMS, Progress, read_sums, unseen
from edge_rt.models.store.disk import store_errors
from edge_rt.models.store.incoming import GRAPH, Offer, look
from edge_rt.models.store.store import Store

Sums = Mapping[Path, str]
"""The sha256 that each file is to have."""


class BundlePiece(NamedTuple):
    """One model of the folder, a file or a folder of its own."""

    place: Path
    id: str | None  # None: to be made of its name
    sums: Sums

    @property
    def name(self) -> str:
        """What to call it before it has an id."""
        return self.id or self.place.name


class TakenIn(NamedTuple):
    """The model of the store that a piece is now, and what became of it."""

    entry: ModelRecord
    how: Literal["taken in", "mended", "is in the store already"]


def unpack(folder: Path, wanted: Sequence[str] = ()) -> list[BundlePiece]:
    """Return the models of `folder`, or those of it that are `wanted`.

    Raises ModelFileError for a folder without models or checksums, ModelNotFound for a wanted one
    that is not in it.
    """
    sums = {folder / name: sha256 for name, sha256 in read_sums(folder).items()}
    pieces = list(_pieces(folder, sums))
    if not pieces:
        raise ModelFileError(f"{folder / SUMS} names no GGUF file and no {GRAPH} in a folder")
    names = [piece.name for piece in pieces]
    for name in wanted:
        if name not in names:
            raise ModelNotFound(f"no model {name!r:.120} in {folder}, it has {', '.join(names)}")
    return [piece for piece in pieces if not wanted or piece.name in wanted]


def take_in(piece: BundlePiece, store: Store, progress: Progress = unseen) -> TakenIn:
    """Store the model of a bundle if every file has its checksum, or else none of its files.

    Raises ModelFileError, or what Store.add and Store.mend do.
    """
    with store_errors(f"cannot read {piece.place}"):
        sha256 = content_sha256(_content(look(piece.place), piece.sums))
    present = next((each for each in store.entries() if each.sha256 == sha256), None)
    if present is None:
        entry = store.add(piece.place, piece.id, sums=piece.sums, progress=progress)
        return TakenIn(entry, "taken in")
    if store.harm(present.id) is None:
        return TakenIn(present, "is in the store already")
    return TakenIn(store.mend(piece.place, present.id, progress=progress), "mended")


def _pieces(folder: Path, sums: Sums) -> Iterable[BundlePiece]:
    """Return the models: a GGUF file is one, and so is a folder with model.onnx.

    One that is alone in a folder is called like that.
    """
    places = [path for path in sums if path.suffix.lower() == ".gguf"]
    places += [path.parent for path in sums if path.name == GRAPH and path.parent != folder]
    homes = [place.parent if place in sums else place for place in places]
    for place, home in sorted(zip(places, homes, strict=True)):
        alone = homes.count(home) == 1 and home != folder
        id = home.name if alone and re.match(ID_PATTERN, home.name) else None
        yield BundlePiece(place, id, sums)


def _content(offer: Offer, sums: Sums) -> Iterable[tuple[str, str]]:
    for name, path in offer.files.items():
        if path not in sums:
            raise ModelFileError(f"{path}: {SUMS} has no checksum for it")
        yield name, sums[path]
    if offer.made is not None:
        yield CARD, hashlib.sha256(offer.made).hexdigest()
