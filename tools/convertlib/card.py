"""The card of a converted language model."""

from __future__ import annotations

from convertlib.hyper import Hyper
from convertlib.source import Source
from convertlib.special import special_tokens
from edge_rt.models.formats.card import LanguageModelCard


def language_card(source: Source, hyper: Hyper, quantisation: str) -> LanguageModelCard:
    """What the GGUF, and llama.cpp of its special tokens, say of the model."""
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
