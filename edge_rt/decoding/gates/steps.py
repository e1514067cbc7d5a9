"""Where the steps of an answer begin."""

from __future__ import annotations

_BLANK = b" \t\r\v\f"
_LF = ord("\n")


class Steps:
    """Cuts text at blank lines, however tokens cut it.

    A blank line is two line feeds with nothing but white space between. The next step begins with
    the token after that which completes the blank line; further line feeds begin no other one.
    """

    def __init__(self) -> None:
        self._feeds = 2  # since the last ink; an answer begins as after a blank line

    def feed(self, piece: bytes) -> bool:
        """The text goes on by `piece`: whether a blank line is complete in it."""
        ended = False
        for byte in piece:
            if byte == _LF:
                self._feeds += 1
                ended = ended or self._feeds == 2
            elif byte not in _BLANK:
                self._feeds = 0
        return ended
