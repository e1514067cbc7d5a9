"""The vocabulary of a GGUF file: text to tokens, without the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib

from edge_rt.backends.going_on import going_on
from edge_rt.backends.llama.model import load


class LlamaVocabulary:
    """Loads no weights; see PromptVocabulary for the methods' contract."""

    def __init__(self, path: Path) -> None:
        """ModelFileError, with llama.cpp's own words, when it cannot be loaded."""
        params = lib.llama_model_default_params()
        params.vocab_only = True
        self._model: Any = load(path, params)
        self._vocab: Any = lib.llama_model_get_vocab(self._model)

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        """See PromptVocabulary."""
        return tokenize(self._vocab, text, special=special, begins=begins)

    def close(self) -> None:
        """See Vocabulary. A closed one may be closed again."""
        if self._model is not None:
            lib.llama_model_free(self._model)
            self._model = None


def tokenize(vocab: Any, text: str, *, special: bool, begins: bool = True) -> list[int]:
    """Token ids by a llama_vocab; see PromptVocabulary."""
    if not begins:
        return going_on(lambda part: _tokenize(vocab, part.encode(), special, False), text)
    data = text.encode()
    wants_bos = bool(lib.llama_vocab_get_add_bos(vocab))
    tokens = _tokenize(vocab, data, special, wants_bos)
    bos = lib.llama_vocab_bos(vocab)
    if wants_bos and tokens[:2] == [bos, bos]:
        return tokens[1:]  # the template had written it out already
    return tokens


def _tokenize(vocab: Any, data: bytes, special: bool, add_special: bool) -> list[int]:
    room = len(data) + 8
    while True:
        buffer = (lib.llama_token * room)()
        count = lib.llama_tokenize(vocab, data, len(data), buffer, room, add_special, special)
        if count >= 0:
            return buffer[:count]
        room = -count
