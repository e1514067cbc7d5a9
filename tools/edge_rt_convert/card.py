"""The card of a converted language model."""

from __future__ import annotations

from edge_rt.models.formats.card import LanguageModelCard
from edge_rt_convert.hyper import Hyper
from edge_rt_convert.source import Source
from edge_rt_convert.special import special_tokens


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
