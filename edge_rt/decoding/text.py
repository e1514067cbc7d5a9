"""From the bytes of tokens to text that is safe to send."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from edge_rt.core.errors import RequestError

ROOT = 0


class StopAutomaton:
    """All stop strings of one request; immutable once built, states are small integers.

    One automaton for all of them (Aho and Corasick, "Efficient string matching", CACM 18(6),
    1975): a state is the longest end of the text so far that begins some stop string.

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


class TextStream:
    """Decodes one answer's bytes as they come and ends the text at the first stop string.

    Characters are never split: bytes of an unfinished one wait for the next piece, and bytes that
    are no UTF-8 become U+FFFD as in `bytes.decode(errors="replace")`. Text that may turn out to
    begin a stop string waits too, and no longer than it may; see StopAutomaton for which stop
    string is hit when several could be. The text of all pushes and of `finish` together does not
    depend on where the bytes were cut.

    A push takes time in proportion to its piece and the text held back, which is shorter than the
    longest stop string. Several streams may share one automaton. Raises RequestError on an empty
    stop string.
    """

    def __init__(self, stops: Sequence[str] | StopAutomaton) -> None:
        self.stopped: str | None = None  # the stop string that ended the text
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stops = stops if isinstance(stops, StopAutomaton) else StopAutomaton(stops)
        self._state = ROOT
        self._held = ""

    def push(self, piece: bytes) -> str:
        """The text that `piece` makes safe to send; may be empty, and is after a stop."""
        return self._advance(self._decoder.decode(piece))

    def finish(self) -> str:
        """The text still held back, an unfinished character as U+FFFD; empty after a stop.

        Nothing may be pushed afterwards. Even this text can complete a stop string (one that
        holds U+FFFD): look at `stopped` after the call.
        """
        text = self._advance(self._decoder.decode(b"", final=True))
        text, self._held = text + self._held, ""
        return text

    def _advance(self, new: str) -> str:
        if self.stopped is not None:
            return ""
        text = self._held + new
        for end, char in enumerate(new, len(self._held) + 1):
            self._state = self._stops.step(self._state, char)
            self.stopped = self._stops.hit(self._state)
            if self.stopped is not None:
                self._held = ""
                return text[: end - len(self.stopped)]
        safe = len(text) - self._stops.depth(self._state)
        self._held = text[safe:]
        return text[:safe]
