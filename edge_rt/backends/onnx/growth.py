"""How much memory the passes of one model took."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager


class Growth:
    """Adds up by how much the process grew during passes, beyond what it had to.

    The engine is one process of several models: what it holds in all says little of this one.
    While another model is being loaded beside a pass, its memory counts here; a session made anew
    for nothing is all that comes of it.
    """

    def __init__(self, held: Callable[[], int], due: Callable[[], int]) -> None:
        """`held` tells the bytes of the process, `due` those that passes have to take."""
        self._held = held
        self._due = due
        self.bytes = 0

    @contextmanager
    def measured(self) -> Generator[None]:
        """A pass runs within the block."""
        before = self._held() - self._due()
        try:
            yield
        finally:
            self.bytes += self._held() - self._due() - before

    def forget(self) -> None:
        """Begin at nothing."""
        self.bytes = 0
