"""The pairs of models in the store, as requests find them."""

from __future__ import annotations

import logging

from edge_rt.errors import ConfigError, StoreError
from edge_rt.models.pair import Pair
from edge_rt.models.store import Store

log = logging.getLogger(__name__)


class KnownPairs:
    """There are none while they cannot be read, of which the log tells once until that changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: ConfigError | str | None = None

    def of(self, large: str) -> list[Pair]:
        """The pairs in which that model is the large one, the one to take first."""
        try:
            found = self._store.pairs.of(large)
        except (ConfigError, StoreError) as fault:
            self._tell(fault)
            return []
        self._told = None
        return found

    def _tell(self, fault: ConfigError | StoreError) -> None:
        state = fault if isinstance(fault, ConfigError) else str(fault)  # of the file
        if state != self._told:
            self._told = state
            log.warning("no pair of models is known: %s", fault)
