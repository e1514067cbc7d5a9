"""The text of an answer: cut at stop strings, and judged by a check."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from edge_rt.core.decoding import CheckCost, Verdict
from edge_rt.core.errors import RequestError
from edge_rt.decoding.rejection import MOST, AcceptedToken, DrawnCandidate, search

UNFINISHED = "\ufffd"
"""In place of the first bytes of a character, whose others come with the next token."""


class TextStream:
    """Decodes one answer's bytes as they come and ends the text at the first stop string.

    Characters are never split: bytes of an unfinished one wait for the next piece, and bytes that
    are no UTF-8 become U+FFFD as in `bytes.decode(errors="replace")`. Text that may turn out to
    begin a stop string waits too, and no longer than it may. The text of all pushes and of `finish`
    together does not depend on where the bytes were cut.

    Of several stop strings the one that is complete first in the text is hit, and the longest of
    those that end at the same character. So a hit never depends on text that is yet to come.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Begin a text; raises RequestError on an empty stop string."""
        if not all(stops):
            raise RequestError("a stop string must not be empty", param="stop")
        self.stopped: str | None = None  # the stop string that ended the text
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        # One that holds another before its end is never hit, and would only hold back text.
        self._stops = [stop for stop in stops if not any(other in stop[:-1] for other in stops)]
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""

    def push(self, piece: bytes) -> str:
        """Return the text that `piece` makes safe to send; may be empty, and is after a stop."""
        return self._advance(self._decoder.decode(piece))

    def finish(self) -> str:
        """Return the text still held back, an unfinished character as U+FFFD; empty after a stop.

        Nothing may be pushed afterwards. Even this text can complete a stop string (one that
        holds U+FFFD): look at `stopped` after the call.
        """
        text = self._advance(self._decoder.decode(b"", final=True))
        text, self._held = text + self._held, ""
        return text

    def _advance(self, new: str) -> str:
        if self.stopped is not None:
            return ""
        if not self._stops:
            return new
        text, self._held = self._held + new, ""
        begins = {stop: text.find(stop) for stop in self._stops}
        hits = [(at + len(stop), at, stop) for stop, at in begins.items() if at >= 0]
        if hits:
            _, at, self.stopped = min(hits)
            return text[:at]
        safe = len(text) - self._begun(text)
        self._held = text[safe:]
        return text[:safe]

    def _begun(self, text: str) -> int:
        """Return how many characters at the end of `text` may be the beginning of a stop string."""
        for count in range(min(self._longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-count:]) for stop in self._stops):
                return count
        return 0


class Checker(Protocol):
    """A program that judges texts."""

    name: str

    def judge(self, text: str, following: Sequence[str], spent_s: float) -> list[Verdict]:
        """Return what it says of `text` with each of `following` behind it.

        EngineError where it does not, or where `spent_s` and its own seconds are too many for one
        token.
        """
        ...


class TextCheck:
    """The text of one answer, token by token, as `checker` judges it."""

    def __init__(
        self, checker: Checker, piece: Callable[[int], bytes], ends: Callable[[int], bool]
    ) -> None:
        """`piece` gives the bytes of a token, none for a special one.

        `ends` tells whether a token ends the answer.
        """
        self._checker, self._piece, self._ends = checker, piece, ends
        self._text, self._tail = "", b""  # whole characters, and the beginning of the next one
        self._verdict: Verdict | None = None  # on the text; None: not known yet
        self._known: dict[int, Verdict] = {}  # on the text with that token behind it
        self._found: AcceptedToken | None = None
        self._calls, self._trips, self._seconds = 0, 0, 0.0
        self._sought_s = 0.0  # since the search for the next token began
        self.log_weight: float | None = None  # of the last token, where it was drawn here

    def fork(self) -> TextCheck:
        """Return one for another answer, at its beginning."""
        return TextCheck(self._checker, self._piece, self._ends)

    @property
    def over(self) -> bool:
        """Whether the text is complete and nothing may follow."""
        return self._verdict == "final" and not self._tail

    @property
    def cost(self) -> CheckCost:
        """What it took."""
        return CheckCost(self._calls, self._trips, self._seconds)

    def find(self, candidates: Iterator[DrawnCandidate], *, greedy: bool) -> int:
        """Return the first of `candidates` that may come next; RequestError where none may."""
        self._sought_s = 0.0
        self._found = search(candidates, self._accepts, greedy=greedy)
        if self._found is None:
            raise _failure(
                f"of {MOST} tokens that were tried none may come next, as the checker "
                f"{self._checker.name!r:.80} says of {self._text[-80:]!r}"
            )
        return self._found.token

    def take(self, token: int) -> None:
        """Go on by `token`."""
        found, self._found = self._found, None
        self.log_weight = found.log_weight if found and found.token == token else None
        if self._ends(token):
            return
        self._verdict = self._known.get(token)
        self._known.clear()
        whole, self._tail = _decoded(self._tail + self._piece(token)) or ("", b"")
        self._text += whole

    def complete(self) -> bool:
        """Return whether the text is whole as it is."""
        if self._verdict is None:
            self._judge({})
        return self._verdict in ("complete", "final") and not self._tail

    def _accepts(self, tokens: Sequence[int]) -> list[bool]:
        self._judge({token: text for token in tokens if (text := self._text_of(token))})
        return [
            self.complete() if self._ends(token) else self._known.get(token, "dead") != "dead"
            for token in tokens
        ]

    def _text_of(self, token: int) -> str:
        """Return what the text goes on by; "" for a token that can stand in no text."""
        whole, tail = _decoded(self._tail + self._piece(token)) or ("", b"")
        return whole + UNFINISHED if tail else whole

    def _judge(self, texts: dict[int, str]) -> None:
        """Ask the checker for verdicts that are not known yet, the text's own included."""
        new = {token: text for token, text in texts.items() if token not in self._known}
        following = list(dict.fromkeys(new.values()))
        if self._verdict is None:
            following.append(UNFINISHED if self._tail else "")
        if not following:
            return
        begin = time.perf_counter()
        said = self._checker.judge(self._text, following, self._sought_s)
        spent_s = time.perf_counter() - begin
        self._sought_s, self._seconds = self._sought_s + spent_s, self._seconds + spent_s
        self._calls, self._trips = self._calls + len(following), self._trips + 1
        if self._verdict is None:
            self._verdict = said[-1]
        verdicts = dict(zip(following, said, strict=True))
        self._known |= {token: verdicts[text] for token, text in new.items()}


def _decoded(content: bytes) -> tuple[str, bytes] | None:
    """Return the characters and the bytes of an incomplete last one; None: not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(content)
    except UnicodeDecodeError:
        return None
    return text, decoder.getstate()[0]


def _failure(what: str) -> RequestError:
    return RequestError(f"`edge.check`: {what}.", param="edge.check", code="constraint_failed")
