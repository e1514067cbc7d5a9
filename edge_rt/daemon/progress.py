"""How far one request has come, so that another engine can take it over."""

from __future__ import annotations

from edge_rt.api.service import Event
from edge_rt.engine.protocol import Delta, Finished, Started


class Progress:
    """Tokens received and answers finished, by answer index."""

    def __init__(self) -> None:
        self.tokens: dict[int, list[int]] = {}
        self.done: list[int] = []
        self._started = False
        self._running = False  # whether this engine has begun with the request
        self._losses = 0

    def news(self, event: Event) -> bool:
        """Note `event`; False when the client has seen its like before the engine was lost."""
        self._running = True
        if isinstance(event, Started):
            first, self._started = not self._started, True
            return first
        if isinstance(event, Delta):
            self.tokens.setdefault(event.index, []).extend(event.tokens)
        else:
            assert isinstance(event, Finished)
            self.done.append(event.index)
        return True

    def lost(self) -> int:
        """Count one lost engine, if it had begun with the request; returns how many it were."""
        self._losses += self._running
        self._running = False
        return self._losses
