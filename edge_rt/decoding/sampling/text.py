"""From token bytes to text that is safe to send."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from edge_rt.decoding.sampling.stops import ROOT, StopAutomaton


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
