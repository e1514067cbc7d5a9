"""The tokens that a converted model is checked on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from edge_rt.backends.llama.model import LlamaVocabulary
from edge_rt_convert import ConvertError
from edge_rt_convert.card import special_tokens
from edge_rt_convert.runs import LlamaRun

WINDOW = 256  # tokens that are run at once


def tokens_of(gguf: Path, tokenizer: Path, text: str, count: int) -> list[int]:
    """The first `count` tokens of `text`; raises ConvertError where both sides cut it otherwise."""
    vocabulary = LlamaVocabulary(gguf)
    ours = Tokenizer.from_file(str(tokenizer))
    special = special_tokens(gguf)
    start = [special.bos] if special.add_bos and special.bos is not None else []
    for control in (True, False):
        ours.encode_special_tokens = not control
        found = [*start, *ours.encode(text, add_special_tokens=False).ids]
        if found != vocabulary.tokenize(text, special=control):
            raise ConvertError("tokenizer.json cuts the text otherwise than llama.cpp does")
    vocabulary.close()
    return found[:count]


def drawn(gguf: Path, count: int, *, threads: int, seed: int = 1) -> list[int]:
    """`count` tokens that the model itself makes up, always the same."""
    special = special_tokens(gguf)
    start = special.bos if special.bos is not None else special.eos or 0
    run = LlamaRun(gguf, context=count + 1, batch=1, threads=threads)
    tokens = run.continued([start], count - 1, np.random.default_rng(seed))
    run.close()
    return tokens


def windows(tokens: Sequence[int]) -> list[Sequence[int]]:
    """Cut into pieces that are run each by itself; a last one of a single token is left out."""
    pieces = [tokens[at : at + WINDOW] for at in range(0, len(tokens), WINDOW)]
    found = [piece for piece in pieces if len(piece) > 1]
    if not found:
        raise ConvertError("the text is too short for a check: two tokens at least are needed")
    return found
