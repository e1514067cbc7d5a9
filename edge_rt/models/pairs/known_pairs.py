"""The pairs of models in the store, as requests find them."""

from __future__ import annotations

from edge_rt.models.pairs.pair import Pair
from edge_rt.models.store.legible import Legible
from edge_rt.models.store.store import Store


class KnownPairs:
    """There are none while they cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store, self._file = store, Legible("no pair of models is known")

    def of(self, large: str) -> list[Pair]:
        """The pairs in which that model is the large one, the one to take first."""
        return self._file.read(lambda: self._store.pairs.of(large)) or []
