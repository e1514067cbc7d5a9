"""A vocabulary alone cuts text just as the whole model does."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.model import LlamaVocabulary
from edge_rt.core.errors import ModelFileError

TEXTS = ["", "a", "Once upon a time", "<|im_start|>user\nHi<|im_end|>\n", "ﷺ 漢字 \x00 🦊" * 9]


@pytest.mark.parametrize("special", [True, False])
def test_it_is_the_models(smollm2: Path, special: bool) -> None:
    model = LlamaBackend(smollm2, context=64, sequences=1, batch=16, threads=1)
    vocabulary = LlamaVocabulary(smollm2)
    for text in TEXTS:
        expected = model.tokenize(text, special=special)
        assert vocabulary.tokenize(text, special=special) == expected
    model.close()
    vocabulary.close()
    vocabulary.close()


def test_control_tokens_are_one_token_each(smollm2: Path) -> None:
    vocabulary = LlamaVocabulary(smollm2)
    as_text = vocabulary.tokenize("<|im_start|>", special=False)
    assert len(vocabulary.tokenize("<|im_start|>", special=True)) == 1 < len(as_text)
    vocabulary.close()


def test_what_is_no_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF and nothing")
    with pytest.raises(ModelFileError, match=r"x\.gguf"):
        LlamaVocabulary(path)


@pytest.mark.parametrize("text", ["|im_end|>", "a b", " b", "\nc", "\n\n", "漢", ""])
def test_a_text_that_goes_on_has_nothing_before_it(smollm2: Path, text: str) -> None:
    model = LlamaBackend(smollm2, context=64, sequences=1, batch=16, threads=1)
    tokens = model.tokenize(text, special=True, begins=False)
    assert b"".join(map(model.piece, tokens)) == text.encode()
    model.close()
