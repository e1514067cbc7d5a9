"""The vocabulary of a model as llguidance wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import llguidance
import msgspec

_SPECIAL = b"\xff"  # begins the name of a special token in llguidance's tables; no UTF-8 has it


class Vocabulary(Protocol):
    """The part of a backend that grammars need; see backends.base.Backend."""

    vocab: int

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def mark(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool: ...


class TokenTable(msgspec.Struct, frozen=True, array_like=True):
    """What each token of a vocabulary stands for, by id.

    A special token stands for nothing in a text; it has its name. `ends` are those that end an
    answer, the lowest id first.
    """

    pieces: list[bytes]
    names: dict[int, bytes]
    ends: list[int]

    @property
    def end(self) -> int:
        """The token by which llguidance knows the end of a text; of no end, one that is not."""
        return self.ends[0] if self.ends else len(self.pieces)


def read_table(vocabulary: Vocabulary) -> TokenTable:
    """Ask a vocabulary for all its tokens."""
    ids = range(vocabulary.vocab)
    pieces = [vocabulary.piece(token) for token in ids]
    names = {token: vocabulary.mark(token) for token in ids if not pieces[token]}
    return TokenTable(pieces, names, [token for token in ids if vocabulary.ends(token)])


class _Wrapped:
    """What llguidance.TokenizerWrapper takes."""

    def __init__(self, table: TokenTable, cut: Callable[[str], list[int]]) -> None:
        self.tokens = [_written(table, token) for token in range(len(table.pieces))]
        self.special_token_ids = list(table.names)
        self.eos_token_id = table.end
        self.bos_token_id = None
        self._cut = cut

    def __call__(self, text: str) -> Sequence[int]:
        return self._cut(text)


def _written(table: TokenTable, token: int) -> bytes:
    name = table.names.get(token)
    return table.pieces[token] if name is None else _SPECIAL + name


def make_tokenizer(table: TokenTable, vocabulary: Vocabulary) -> llguidance.LLTokenizer:
    """Build the prefix tree of the vocabulary, which takes about a second."""

    def cut(text: str) -> list[int]:
        return vocabulary.tokenize(text, special=False, begins=False)

    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Wrapped(table, cut)))
