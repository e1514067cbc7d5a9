"""The pairs of models that are known: those of the catalogue, and those that were tuned here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from edge_rt.models.pairs.pair import Pair
from edge_rt.models.pairs.tuned import TunedFile
from edge_rt.models.store.manifest import Stamp

FILE = "pairs.yaml"
_HEAD = "Written by edge-rt tune; delete an entry to have the catalogue's again."


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pairs: list[Pair] = []


class Pairs:
    """Pairs by their models; what was tuned stands in for what the catalogue says of the same two.

    For a file that says nothing of use all raise ConfigError; see TunedFile.
    """

    def __init__(self, root: Path, catalogue: Iterable[Pair] = ()) -> None:
        """`root` is the store's folder."""
        self._tuned = TunedFile(root, "pairs", _read, _both, _HEAD)
        self._catalogue = list(catalogue)

    def __iter__(self) -> Iterator[Pair]:
        """Those that were tuned first, each two models once."""
        known: dict[tuple[str, str], Pair] = {}
        for pair in (*self._tuned.items(), *self._catalogue):
            known.setdefault(_both(pair), pair)
        return iter(known.values())

    def stamp(self) -> Stamp | None:
        """Of the file of those that were tuned; None when there is none. Raises OSError."""
        return self._tuned.stamp()

    def of(self, large: str) -> list[Pair]:
        """Those in which that model is the large one, the one to take first."""
        return [pair for pair in self if pair.large == large]

    def find(self, large: str, small: str) -> Pair | None:
        """The pair of the two, if there is any."""
        return next((pair for pair in self.of(large) if pair.small == small), None)

    def write(self, pair: Pair) -> Path:
        """Keep how a pair is best asked, over what was there; gives the file.

        It becomes the pair that its large model is asked with. Raises StoreError, or ConfigError
        where the file cannot be read.
        """
        return self._tuned.put(pair)


def _read(document: object) -> list[Pair]:
    return msgspec.convert(document, _File).pairs


def _both(pair: Pair) -> tuple[str, str]:
    return pair.large, pair.small
