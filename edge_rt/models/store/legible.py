"""Files of the store that requests go without while they cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from edge_rt.core.errors import ConfigError, StoreError
from edge_rt.core.logs import Trouble

log = logging.getLogger(__name__)

T = TypeVar("T")


class Legible:
    """Reads one file; the log tells once that it cannot be read, until that changes."""

    def __init__(self, otherwise: str) -> None:
        """`otherwise` says what is so then."""
        self._trouble = Trouble(log, otherwise)

    def read(self, get: Callable[[], T]) -> T | None:
        """What `get` gets of it; None where it cannot be read."""
        try:
            found = get()
        except (ConfigError, StoreError) as fault:
            # A ConfigError is the same one until the file changes.
            self._trouble.met(fault if isinstance(fault, ConfigError) else str(fault))
            return None
        self._trouble.over()
        return found
