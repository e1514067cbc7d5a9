"""A gap in a text is filled by a model that has tokens for that."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.backends.llama.model import LlamaVocabulary
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

MARKS = {"fim_pre": 4, "fim_suf": 5, "fim_mid": 6}  # control tokens that the model has anyway
_FIXED = struct.Struct("<4sIQQ")  # magic, version, tensors, entries of metadata
_ALIGNMENT = 32


def with_marks(source: Path, target: Path) -> None:
    """Write a GGUF file with entries for MARKS in front of all others."""
    head, rest = source.read_bytes()[: _FIXED.size], source.read_bytes()[_FIXED.size :]
    magic, version, tensors, entries = _FIXED.unpack(head)
    new = b"".join(
        _entry(f"tokenizer.ggml.{name}_token_id", token) for name, token in MARKS.items()
    )
    empty = len(_text_entry("x.padding", ""))
    new += _text_entry("x.padding", " " * (-(len(new) + empty) % _ALIGNMENT))
    target.write_bytes(_FIXED.pack(magic, version, tensors, entries + 4) + new + rest)


def _entry(key: str, value: int) -> bytes:
    return _text(key) + struct.pack("<II", 4, value)


def _text_entry(key: str, value: str) -> bytes:
    return _text(key) + struct.pack("<I", 8) + _text(value)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


@pytest.fixture
def filler(own_daemon: Callable[..., Any], smollm2: Path, tmp_path: Path) -> Any:
    """A daemon whose model has tokens for gaps."""
    file, store = tmp_path / "filler.gguf", Store(tmp_path / "models", load_catalogue())
    with_marks(smollm2, file)
    store.add(file, "filler", move=True)
    daemon = own_daemon(store.root)
    daemon.model, daemon.file = "filler", store.get("filler").path
    return daemon


def test_the_prompt_is_that_of_the_models_tokens(filler: Any) -> None:
    vocabulary = LlamaVocabulary(filler.file)

    def cut(text: str) -> list[int]:
        return vocabulary.tokenize(text, special=False, begins=False)

    before, behind = "def add(a, b):\n    ", "\n\nprint(add(1, 2))  # <|im_end|>\n"
    start = vocabulary.tokenize("", special=False)
    tokens = [*start, 4, *cut(before), 5, *cut(behind), 6]
    vocabulary.close()
    usual = {"max_tokens": 12, "temperature": 0}
    filled = filler.post({"prompt": before, "suffix": behind} | usual).json()
    same = filler.post({"prompt": tokens} | usual).json()
    assert filled["usage"]["prompt_tokens"] == len(tokens)
    assert filled["choices"] == same["choices"]
    lookup = {"edge": {"mode": "lookup"}}
    again = filler.post({"prompt": before, "suffix": behind} | usual | lookup).json()
    assert again["choices"] == filled["choices"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_without_such_tokens_refuses(daemon: Any, stream: bool) -> None:
    answer = daemon.post({"prompt": "def add(", "suffix": "\n", "stream": stream})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "suffix")
    assert daemon.post({"prompt": "def add(", "suffix": "", "max_tokens": 1}).status_code == 200
