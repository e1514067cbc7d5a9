"""Files of the store that requests go without while they cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from edge_rt.errors import ConfigError, StoreError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Legible:
    """Reads one file; the log tells once that it cannot be read, until that changes."""

    def __init__(self, otherwise: str) -> None:
        """`otherwise` says what is so then."""
        self._otherwise = otherwise
        self._told: ConfigError | str | None = None

    def read(self, get: Callable[[], T]) -> T | None:
        """What `get` gets of it; None where it cannot be read."""
        try:
            found = get()
        except (ConfigError, StoreError) as fault:
            self._tell(fault)
            return None
        self._told = None
        return found

    def _tell(self, fault: ConfigError | StoreError) -> None:
        state = fault if isinstance(fault, ConfigError) else str(fault)  # of the file
        if state != self._told:
            self._told = state
            log.warning("%s: %s", self._otherwise, fault)
