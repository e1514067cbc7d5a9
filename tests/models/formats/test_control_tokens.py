"""Which tokens of a model's vocabulary are no text."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.card import read_tokenizer
from edge_rt.models.formats.gguf import read_header

Write = Callable[..., Path]
Gguf = Any  # the builder of conftest.py
TOKENS = 600
NORMAL, UNKNOWN, CONTROL, OWN, UNUSED, BYTE = range(1, 7)


def types(**others: int) -> bytes:
    """Return all tokens normal but for those named, as t5."""
    kinds = [others.get(f"t{i}", NORMAL) for i in range(TOKENS)]
    return struct.pack(f"<IIQ{TOKENS}i", 9, 5, TOKENS, *kinds)


def test_those_that_the_file_calls_so(gguf: Gguf, write: Write) -> None:
    kinds = types(
        t0=UNKNOWN, t3=OWN, t255=CONTROL, t256=CONTROL, t300=BYTE, t599=CONTROL, t9=UNUSED
    )
    path = write(gguf.changed(tokenizer__ggml__token_type=kinds))
    assert read_header(path).control_tokens == ("t0", "t255", "t256", "t599")


def test_a_file_that_calls_none_so(gguf: Gguf, write: Write) -> None:
    path = write(gguf.changed(tokenizer__ggml__token_type=None))
    assert read_header(path).control_tokens == ()


def test_more_types_than_tokens_are_not_looked_at(gguf: Gguf, write: Write) -> None:
    kinds = struct.pack(f"<IIQ{TOKENS + 5}i", 9, 5, TOKENS + 5, *[CONTROL] * (TOKENS + 5))
    path = write(gguf.changed(tokenizer__ggml__token_type=kinds))
    assert len(read_header(path).control_tokens) == TOKENS


def test_the_real_model(smollm2: Path) -> None:
    header = read_header(smollm2)
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(header.control_tokens)
    assert header.longest_token == 162  # as llama.cpp finds it, of spaces


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_header(tmp_path / "x.gguf")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_those_of_a_tokenizer_file(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    added = [
        {"id": 0, "content": "<s>", "special": True},
        {"id": 1, "content": "<tool>", "special": False},
        {"id": 2, "content": "<end>", "special": True},
    ]
    path.write_text(json.dumps({"added_tokens": added, "truncation": None}))
    assert read_tokenizer(path).control_tokens == ("<s>", "<end>")
    path.write_text("{}")
    assert read_tokenizer(path).control_tokens == ()
