"""What llama.cpp makes of the special tokens of a GGUF: it knows more than the file says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import llama_cpp.llama_cpp as lib

from edge_rt.backends.llama.model import load
from edge_rt.core.errors import ModelFileError
from edge_rt_convert import ConvertError


@dataclass(frozen=True)
class SpecialTokens:
    """Ids; `ends` are all tokens that end an answer."""

    bos: int | None
    eos: int | None
    add_bos: bool
    ends: list[int]


def special_tokens(path: Path) -> SpecialTokens:
    """Those of the GGUF at `path`; raises ConvertError when llama.cpp cannot load it."""
    params = lib.llama_model_default_params()
    params.vocab_only = True
    try:
        model = load(path, params)
    except ModelFileError as error:
        raise ConvertError(str(error)) from error
    vocab = lib.llama_model_get_vocab(model)
    if vocab is None:
        raise ConvertError(f"{path}: the model has no vocabulary")
    ids = range(lib.llama_vocab_n_tokens(vocab))
    found = SpecialTokens(
        bos=_known(lib.llama_vocab_bos(vocab)),
        eos=_known(lib.llama_vocab_eos(vocab)),
        add_bos=bool(lib.llama_vocab_get_add_bos(vocab)),
        ends=[id for id in ids if lib.llama_vocab_is_eog(vocab, id)],
    )
    lib.llama_model_free(model)
    return found


def _known(token: lib.llama_token) -> int | None:
    return int(token) if int(token) >= 0 else None
