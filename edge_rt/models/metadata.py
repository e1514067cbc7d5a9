"""The metadata of a GGUF header: keys with numbers, texts and lists."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from edge_rt.models.cursor import MAX_TEXT, Cursor

Value = int | float | bool | str | list[int]

U32 = struct.Struct("<I")
_MAX_KEY = 65_535  # bytes, from the format's description
_MAX_LIST = 1024  # numbers of a list that is kept: settings by layer, not vocabularies
_TEXT, _LIST, _BOOL = 8, 9, 7
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
_WHOLE = (0, 1, 2, 3, 4, 5, 10, 11)  # of them, the integers
_TOKENS = "tokenizer.ggml.tokens"
_TEXTS = {  # those worth keeping, with the most bytes that make sense
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
    _tokens: list[int] = field(default_factory=list[int])  # marks, see Cursor.skip_texts
    _keys: set[str] = field(default_factory=set[str])

    def read(self, cursor: Cursor) -> None:
        """Take in the entry at the cursor."""
        start, key = cursor.offset, cursor.text(_MAX_KEY)
        if not key or key in self._keys:
            raise cursor.fault(f"duplicate key {key!r:.80}" if key else "an empty key", start)
        self._keys.add(key)
        kind = int(cursor.number(U32))
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
        """What the tensors' places are multiples of, in bytes."""
        value = self.values.get("general.alignment", 32)
        if not isinstance(value, int) or value <= 0 or value & (value - 1):
            raise cursor.fault(f"'general.alignment' is {value}, not a power of two")
        return value

    def token(self, cursor: Cursor, key: str) -> str | None:
        """The text of the token whose id stands at `key`, if any; moves the cursor."""
        token = self.values.get(key)
        if token is None:
            return None
        if not isinstance(token, int) or not 0 <= token < self.vocab:
            raise cursor.fault(f"{key!r:.80} is {token}, the vocabulary has {self.vocab} tokens")
        return cursor.text_of(self._tokens, token)

    def _read_list(self, cursor: Cursor, key: str) -> None:
        kind, length = int(cursor.number(U32)), cursor.u64()
        if kind == _TEXT:
            marks = cursor.skip_texts(length)
            if key == _TOKENS:
                self._tokens, self.vocab = marks, length
            return
        layout = _layout(cursor, key, kind)
        if kind in _WHOLE and length <= _MAX_LIST:
            self.values[key] = [int(cursor.number(layout)) for _ in range(length)]
        else:
            cursor.skip(layout.size * length)


def _layout(cursor: Cursor, key: str, kind: int) -> struct.Struct:
    if kind not in _NUMBERS:
        raise cursor.fault(f"{key!r:.80} has the unknown value type {kind}")
    return _NUMBERS[kind]
