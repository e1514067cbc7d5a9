"""What the card beside an ONNX language model says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_rt.errors import ModelFileError


class LanguageCard(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a card that running the model needs; sizes in tokens or numbers as named."""

    kind: str
    context: int = 0
    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    vocab: int = 0
    add_bos: bool = False
    bos_id: int | None = None
    end_ids: list[int] = []


def read_card(graph: Path) -> LanguageCard:
    """The card beside `graph`; ModelFileError if it is not that of a language model."""
    path = graph.with_name("model.json")
    if path.is_fifo():  # reading would wait for the writer of a FIFO
        raise ModelFileError(f"{path}: not a regular file")
    try:
        card = msgspec.json.decode(path.read_bytes(), type=LanguageCard)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"cannot read {path}: {error}") from error
    if card.kind != "language":
        raise ModelFileError(f"{path}: kind is {card.kind!r:.80}, not 'language'")
    for name in ("context", "layers", "heads", "kv_heads", "head_dim", "vocab"):
        if getattr(card, name) < 1:
            raise ModelFileError(f"{path}: {name} is missing or less than 1")
    return card
