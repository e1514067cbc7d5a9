"""Texts that the grammars of answers let through, drawn at random."""

from __future__ import annotations

import random
import re
from typing import Any

import llguidance

from edge_rt.core.chat_format import ChatFormat
from edge_rt.generation.tools.grammar import CallRules, grammar, token_name

WIDE: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "units": {"enum": ["c", "f, k"]},
            "exact": {"type": ["boolean", "null"]},
            "limit": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "more": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        },
        "required": ["city", "exact"],
        "additionalProperties": False,
    },
    "get_time": {"type": "object", "properties": {}, "additionalProperties": False},
}
_END = 256
CLOSING = frozenset(b"\"'`]})>,|\n")


class Model:
    """A vocabulary of the 256 bytes and some control tokens, as llguidance takes it."""

    def __init__(self, control: tuple[str, ...] = ()) -> None:
        self.names = {name: _END + 1 + i for i, name in enumerate(control)}
        self.tokens = [bytes([byte]) for byte in range(256)]
        self.tokens += [b"\xff" + name.encode() for name in ("<end>", *control)]
        self.special_token_ids = list(range(_END, len(self.tokens)))
        self.eos_token_id, self.bos_token_id = _END, None
        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(self))

    def __call__(self, text: str) -> list[int]:
        return list(text.encode())

    def cut(self, text: str) -> list[int]:
        ways = "|".join(map(re.escape, self.names)) or r"\Z."
        return [
            token
            for piece in re.split(f"({ways})", text)
            for token in ([self.names[piece]] if piece in self.names else piece.encode())
        ]


def sampled(format: ChatFormat, rules: CallRules, seed: int) -> str | None:
    """A text that the grammar of an answer lets through; None where it goes on for too long."""
    numbers, model = random.Random(seed), Model(format.control)
    source = grammar(format, rules)
    for name, id in model.names.items():
        source = source.replace(token_name(name), f"<[{id}]>")
    matcher = llguidance.LLMatcher(model.tokenizer, source, log_level=0)
    assert not matcher.is_error(), (matcher.get_error(), source)
    special, text = {id: name.encode() for name, id in model.names.items()}, bytearray()
    for _ in range(600):
        if matcher.is_accepting() and (matcher.is_stopped() or numbers.random() < 0.5):
            return text.decode()
        mask = matcher.compute_bitmask()
        allowed = [t for t in range(len(model.tokens)) if mask[t // 8] >> (t % 8) & 1 and t != _END]
        plain = [token for token in allowed if 10 <= token < 128 or token in special]
        allowed = plain or allowed  # the bytes of a marker
        ends = [token for token in allowed if token in CLOSING or token in special]
        token = numbers.choice(ends if ends and numbers.random() < 0.7 else allowed)
        matcher.consume_token(token)
        text += special.get(token) or bytes([token])
    return None
