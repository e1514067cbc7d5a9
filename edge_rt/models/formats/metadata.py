"""The metadata of a GGUF header: keys with numbers, texts and lists."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from edge_rt.models.formats.cursor import MAX_TEXT, Cursor

Value = int | float | bool | str | list[int]

U32 = struct.Struct("<I")
_MAX_KEY = 65_535  # bytes, from the format's description
_ALIGNMENT = 32  # bytes; with less llama.cpp ends its process
_MAX_LIST = 1024  # numbers of a list that is kept: settings by layer, not vocabularies
_TEXT, _LIST, _BOOL, _I32 = 8, 9, 7, 5
_NUMBERS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: U32,
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<B"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_WHOLE = (0, 1, 2, 3, 4, 5, _BOOL, 10, 11)  # of them, the integers, and what is true or not
_TOKENS = "tokenizer.ggml.tokens"
_TYPES = "tokenizer.ggml.token_type"
COLOURS = ("clip.vision.image_mean", "clip.vision.image_std")
"""Keys of a projector, each with a number a colour."""
_LISTS: dict[
    str, tuple[int, ...]
] = {  # with the types that llama.cpp takes their values for; the last two have one a token
    _TOKENS: (_TEXT,),
    "tokenizer.ggml.merges": (_TEXT,),
    "tokenizer.ggml.scores": (6, _I32),
    _TYPES: (_I32,),
    **dict.fromkeys(COLOURS, (6,)),
}
_CONTROL = {2, 3}  # unknown and control of enum llama_token_type
_MOST_CONTROL = 4096  # tokens that are told; models have hundreds at most
_TEXTS = {  # those worth keeping, with the most bytes that make sense
    "adapter.type": 64,
    "general.architecture": 64,
    "general.license": 1024,
    "general.name": 1024,
    "general.organization": 1024,
    "general.type": 64,
    "tokenizer.chat_template": MAX_TEXT,
}


@dataclass
class Metadata:
    """What was worth keeping: numbers, short lists of integers and a few texts, by key."""

    values: dict[str, Value] = field(default_factory=dict[str, Value])
    vocab: int = 0  # tokens in the vocabulary
    longest_token: int = 0
    """The most bytes of a token as the vocabulary writes it.

    No token stands for more bytes of a text: what is written in another way takes more.
    """
    _tokens: list[int] = field(default_factory=list[int])  # marks, see Cursor.skip_texts
    _types: tuple[int, int] | None = None  # where the tokens' types lie, and how many
    _keys: set[str] = field(default_factory=set[str])
    # What the keys of _LISTS have: the type of the values, None where it is no list, and how many.
    _lists: dict[str, tuple[int | None, int]] = field(
        default_factory=dict[str, tuple[int | None, int]]
    )

    def read(self, cursor: Cursor) -> None:
        """Take in the entry at the cursor."""
        start, key = cursor.offset, cursor.text(_MAX_KEY)
        if not key or key in self._keys:
            raise cursor.fault(f"duplicate key {key!r:.80}" if key else "an empty key", start)
        self._keys.add(key)
        kind = int(cursor.number(U32))
        if key in _LISTS:
            self._lists[key] = None, 0
        if kind == _LIST:
            self._read_list(cursor, key)
        elif kind == _TEXT and key not in _TEXTS:
            cursor.skip(cursor.u64())
        elif kind == _TEXT:
            self.values[key] = cursor.text(_TEXTS[key])
        elif kind == _BOOL:
            self.values[key] = cursor.raw(1) != b"\0"
        else:
            self.values[key] = cursor.number(_layout(cursor, key, kind))

    def alignment(self, cursor: Cursor) -> int:
        """Return what the tensors' places are multiples of, in bytes."""
        value = self.values.get("general.alignment", _ALIGNMENT)
        if not isinstance(value, int) or value < _ALIGNMENT or value & (value - 1):
            expected = f"expected a power of two from {_ALIGNMENT} on"
            raise cursor.fault(f"'general.alignment' is {value}, {expected}")
        return value

    def check(self, cursor: Cursor) -> None:
        """Raise ModelFileError for a list of the vocabulary that is none, or too short."""
        for key, (kind, length) in self._lists.items():
            if kind not in _LISTS[key]:
                other = "no list" if kind is None else f"a list of the wrong value type {kind}"
                raise cursor.fault(f"{key!r} is {other}")
            if kind != _TEXT and length < self.vocab:
                raise cursor.fault(f"{key!r} has {length} values for {self.vocab} tokens")

    def length(self, key: str) -> int:
        """Return how many values the list at a key of the vocabulary or of COLOURS has."""
        return self._lists.get(key, (None, 0))[1]

    def refuse_twins(self, cursor: Cursor) -> None:
        """Raise ModelFileError where two tokens are the same; moves the cursor."""
        seen: set[bytes] = set()
        for index, token in enumerate(cursor.texts(self._tokens, self.vocab)):
            if token in seen:
                raise cursor.fault(f"token {index}, {token!r:.80}, is in the vocabulary twice")
            if token:  # llama.cpp gives names to those without
                seen.add(token)

    def token(self, cursor: Cursor, key: str) -> str | None:
        """Return the text of the token whose id stands at `key`, if any; moves the cursor."""
        token = self.values.get(key)
        if token is None:
            return None
        if not isinstance(token, int) or not 0 <= token < self.vocab:
            raise cursor.fault(f"{key!r:.80} is {token}, the vocabulary has {self.vocab} tokens")
        return cursor.text_of(self._tokens, token)

    def control_tokens(self, cursor: Cursor) -> list[str]:
        """Return the texts of the tokens that are no text of a prompt; moves the cursor."""
        if self._types is None:
            return []
        start, count = self._types
        cursor.seek(start)
        types = struct.unpack(f"<{min(count, self.vocab)}i", cursor.raw(4 * min(count, self.vocab)))
        found = [token for token, kind in enumerate(types) if kind in _CONTROL][:_MOST_CONTROL]
        return [cursor.text_of(self._tokens, token) for token in found]

    def _read_list(self, cursor: Cursor, key: str) -> None:
        kind, length = int(cursor.number(U32)), cursor.u64()
        if key in _LISTS:
            self._lists[key] = kind, length
        if kind == _TEXT:
            marks, longest = cursor.skip_texts(length)
            if key == _TOKENS:
                self._tokens, self.vocab, self.longest_token = marks, length, longest
            return
        layout = _layout(cursor, key, kind)
        if key == _TYPES and kind == _I32:
            self._types = cursor.offset, length
        if kind in _WHOLE and length <= _MAX_LIST:
            self.values[key] = [int(cursor.number(layout)) for _ in range(length)]
        else:
            cursor.skip(layout.size * length)


def _layout(cursor: Cursor, key: str, kind: int) -> struct.Struct:
    if kind not in _NUMBERS:
        raise cursor.fault(f"{key!r:.80} has the unknown value type {kind}")
    return _NUMBERS[kind]
