"""The card of a converted language model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import llama_cpp.llama_cpp as lib

from edge_rt.backends.llama.model import load_vocabulary
from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.card import LanguageModelCard
from edge_rt_convert import ConvertError
from edge_rt_convert.hyper import Hyper
from edge_rt_convert.source import Source


@dataclass(frozen=True)
class SpecialTokens:
    """Ids; `ends` are all tokens that end an answer."""

    bos: int | None
    eos: int | None
    add_bos: bool
    ends: list[int]


def special_tokens(path: Path) -> SpecialTokens:
    """Return the special tokens of a GGUF; raise ConvertError when llama.cpp cannot load it."""
    try:
        model = load_vocabulary(path)
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


def language_card(source: Source, hyper: Hyper, quantisation: str) -> LanguageModelCard:
    """Return what the GGUF, and llama.cpp of its special tokens, say of the model."""
    special = special_tokens(source.path)
    tokens = source.need("tokenizer.ggml.tokens")
    return LanguageModelCard(
        name=source.value("general.name"),
        publisher=source.value("general.organization"),
        licence=source.value("general.license"),
        architecture=hyper.architecture,
        quantisation=quantisation,
        parameters=source.parameters(),
        source_sha256=source.sha256(),
        context=hyper.context,
        layers=hyper.layers,
        embedding=hyper.embedding,
        heads=hyper.heads,
        kv_heads=hyper.kv_heads,
        head_dim=hyper.head_dim,
        vocab=hyper.vocab,
        chat_template=source.value("tokenizer.chat_template"),
        bos_token=None if special.bos is None else tokens[special.bos],
        eos_token=None if special.eos is None else tokens[special.eos],
        add_bos=special.add_bos,
        bos_id=special.bos,
        end_ids=special.ends,
    )
