"""A vocabulary of letters, some longer tokens, and a few special ones."""

from __future__ import annotations

from collections.abc import Sequence

END, OTHER_END, CALL = 0, 1, 2
MARKS = {END: b"<end>", OTHER_END: b"<turn>", CALL: b"<call>"}
CHARS = "abcdefghijklmnopqrstuvwxyzABC0123456789 \n{}[]<>\"':,._-/\\#()|&~*+?!"
LONG = ["ab", "abc", "ca", '{"', '":', '", "', "true", "00", "é", "\n\n"]
PIECES = [b"", b"", b"", *(c.encode() for c in CHARS), *(text.encode() for text in LONG)]
PIECES += [b"\xc3", b"\xa9"]  # of "é"


class Letters:
    """Cuts text into the longest tokens that there are."""

    def __init__(self, pieces: Sequence[bytes] = PIECES, marks: dict[int, bytes] = MARKS) -> None:
        self.pieces, self.marks = list(pieces), marks
        self.vocab = len(self.pieces)
        self.asked = 0  # texts that were cut

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        assert not special
        self.asked += 1
        data, tokens = text.encode(), list[int]()
        while data:
            piece = max((p for p in self.pieces if p and data.startswith(p)), key=len)
            tokens.append(self.pieces.index(piece))
            data = data[len(piece) :]
        return tokens

    def piece(self, token: int) -> bytes:
        return self.pieces[token]

    def mark(self, token: int) -> bytes:
        return self.marks.get(token, b"")

    def ends(self, token: int) -> bool:
        return token in (END, OTHER_END)
