"""How far one request has come, so that another engine can take it over."""

from __future__ import annotations

from edge_rt.decoding.params import Made
from edge_rt.engine.client import Event
from edge_rt.engine.protocol import Delta, Started

BLAMED = 2  # engines that a request may lose while they work on it
LOSSES = 5  # and in all


class Progress:
    """Tokens received, how they were made and answers finished, by answer index."""

    def __init__(self) -> None:
        self.tokens: dict[int, list[int]] = {}
        self.made: dict[int, Made] = {}
        self.done: list[int] = []
        self._started = False
        self._running = False  # whether this engine has begun with the request
        self._losses = self._blamed = 0

    def news(self, event: Event) -> bool:
        """Note `event`; False when the client has seen its like before the engine was lost."""
        self._running = True
        if isinstance(event, Started):
            first, self._started = not self._started, True
            return first
        if event.made is not None:
            self.made[event.index] = event.made
        if isinstance(event, Delta):
            self.tokens.setdefault(event.index, []).extend(event.tokens)
        else:
            self.done.append(event.index)
        return True

    def lost(self) -> bool:
        """Count one lost engine; True when the request must not be tried again.

        It is to blame only if the engine had begun with it, but no request may go on for ever.
        """
        self._losses += 1
        self._blamed += self._running
        self._running = False
        return self._blamed >= BLAMED or self._losses >= LOSSES
