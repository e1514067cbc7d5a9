"""Finding stop strings in text that arrives a few characters at a time.

One automaton for all stop strings (Aho and Corasick, "Efficient string matching", CACM 18(6),
1975): a state is the longest end of the text so far that begins some stop string.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from edge_rt.errors import RequestError

ROOT = 0


class StopAutomaton:
    """All stop strings of one request; immutable once built, states are small integers.

    Of several stop strings the one that is complete first in the text is hit, and the longest of
    those that end at the same character. So a hit never depends on text that is yet to come, nor
    on how the text was cut into pieces. Raises RequestError on an empty stop string.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if any(not stop for stop in stops):
            raise RequestError("a stop string must not be empty", param="stop")
        self._next: list[dict[str, int]] = [{}]
        self._fall: list[int] = [ROOT]
        self._depth: list[int] = [0]
        self._hit: list[str | None] = [None]
        for stop in _reachable(stops):
            self._add(stop)
        self._link()

    def step(self, state: int, char: str) -> int:
        """The state after `char`; amortised constant time over a text."""
        while char not in self._next[state]:
            if state == ROOT:
                return ROOT
            state = self._fall[state]
        return self._next[state][char]

    def depth(self, state: int) -> int:
        """How many characters at the end of the text may be the beginning of a stop string."""
        return self._depth[state]

    def hit(self, state: int) -> str | None:
        """The longest stop string that the text ends with."""
        # A stop that ends in a shorter one is itself hit there, and none holds another earlier:
        # so unlike in the general automaton, shorter states need not be asked.
        return self._hit[state]

    def _add(self, stop: str) -> None:
        state = ROOT
        for char in stop:
            if char not in self._next[state]:
                self._next[state][char] = self._grow(state)
            state = self._next[state][char]
        self._hit[state] = stop

    def _grow(self, parent: int) -> int:
        self._next.append({})
        self._fall.append(ROOT)
        self._depth.append(self._depth[parent] + 1)
        self._hit.append(None)
        return len(self._next) - 1

    def _link(self) -> None:
        # Breadth first, so that the shorter states a link can point at are linked already.
        queue = deque(self._next[ROOT].values())
        while queue:
            state = queue.popleft()
            for char, child in self._next[state].items():
                self._fall[child] = self.step(self._fall[state], char)
                queue.append(child)


def _reachable(stops: Sequence[str]) -> list[str]:
    """Without the stops that cannot be hit because another is complete before their end.

    They would only hold text back that is safe to send.
    """
    return [stop for stop in stops if not any(other in stop[:-1] for other in stops)]
