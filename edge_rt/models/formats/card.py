"""The card of an ONNX model, `model.json`: what is to be known of it and its graph does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.summary import (
    MAX_CONTEXT,
    MAX_HEADS,
    MAX_LAYERS,
    MAX_WIDTH,
    Pooling,
    Summary,
)
from edge_rt.models.naming import Sha256
from edge_rt.models.store.disk import open_regular

CARD = "model.json"  # what the file is called

_MAX_BYTES = 4 * 1024 * 1024  # chat templates stay below 64 KiB
_MAX_VOCAB = 1 << 24
_F32 = 4  # bytes of a number in the KV of our graphs

_Word = Annotated[str, Meta(min_length=1, max_length=64)]
_Text = Annotated[str, Meta(max_length=1024)]
_Template = Annotated[str, Meta(max_length=1024 * 1024)]
_Token = Annotated[int, Meta(ge=0, lt=_MAX_VOCAB)]
_Heads = Annotated[int, Meta(ge=1, le=MAX_HEADS)]
_Width = Annotated[int, Meta(ge=1, le=MAX_WIDTH)]
_Context = Annotated[int, Meta(ge=1, le=MAX_CONTEXT)]


class _Card(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,  # so that a field that is new one day leaves the bytes of others alone
    tag_field="kind",
):
    """What every card says: the model's make, and whose it is."""

    architecture: _Word
    quantisation: _Word
    parameters: Annotated[int, Meta(ge=0, le=1 << 53)]
    name: _Text | None = None
    publisher: _Text | None = None
    licence: _Text | None = None
    source_sha256: Sha256 | None = None  # of the GGUF file it was converted from


class LanguageModelCard(_Card, frozen=True, tag="language"):
    """A model that writes text."""

    context: _Context  # tokens it was trained on at once
    layers: Annotated[int, Meta(ge=1, le=MAX_LAYERS)]
    embedding: _Width
    heads: _Heads
    kv_heads: _Heads
    head_dim: _Width
    vocab: Annotated[int, Meta(ge=1, le=_MAX_VOCAB)]
    end_ids: Annotated[list[_Token], Meta(min_length=1, max_length=64)]
    chat_template: _Template | None = None
    bos_token: _Text | None = None
    eos_token: _Text | None = None
    add_bos: bool = False
    bos_id: _Token | None = None

    def __post_init__(self) -> None:
        """Ids must lie in the vocabulary; raises ValueError."""
        for name, ids in (("end_ids", self.end_ids), ("bos_id", [self.bos_id or 0])):
            if max(ids) >= self.vocab:
                message = f"`{name}` has {max(ids)}, but the vocabulary only {self.vocab} tokens"
                raise ValueError(message)
        if self.add_bos and self.bos_id is None:
            raise ValueError("`add_bos` is true, but `bos_id` does not say which token it is")


class EmbeddingCard(_Card, frozen=True, tag="embedding"):
    """A model that turns a text into a vector."""

    context: _Context  # tokens of the longest text
    embedding: _Width  # of the vectors
    pooling: Pooling
    normalise: bool  # whether vectors are to have length 1


class TensorsCard(_Card, frozen=True, tag="tensors"):
    """A model of named tensors; their names, types and shapes stand in its file."""


Card = LanguageModelCard | EmbeddingCard | TensorsCard


def read_card(path: Path) -> Card:
    """The card at `path`; raises ModelFileError, which names the file and the field."""
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > _MAX_BYTES:
        raise ModelFileError(f"{path}: more than {_MAX_BYTES} bytes, which no card needs")
    try:
        return msgspec.json.decode(content, type=Card)
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$.")
        place = f"{path}: {field.rstrip('`')}" if field else str(path)
        raise ModelFileError(f"{place}: {message}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: not JSON: {error}") from error


def write_card(card: Card) -> bytes:
    """The content of the file that says what `card` says; the same for the same card."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def summarise_card(card: Card, file_bytes: int) -> Summary:
    """The summary of a model with that card, whose files have `file_bytes` in all."""
    usual = {
        "architecture": card.architecture,
        "name": card.name,
        "organisation": card.publisher,
        "licence": card.licence,
        "quantisation": card.quantisation,
        "parameters": card.parameters,
        "file_bytes": file_bytes,
        "source_sha256": card.source_sha256,
    }
    return msgspec.convert(_NOTHING | usual | _own(card), Summary)


def _own(card: Card) -> dict[str, object]:
    if isinstance(card, TensorsCard):
        return {"kind": "tensors"}
    if isinstance(card, EmbeddingCard):
        return {
            "kind": "embedding",
            "context_train": card.context,
            "embedding": card.embedding,
            "pooling": card.pooling,
            "normalise": card.normalise,
        }
    return {
        "kind": "language",
        "context_train": card.context,
        "layers": card.layers,
        "embedding": card.embedding,
        "heads": card.heads,
        "kv_heads": card.kv_heads,
        "head_dim_k": card.head_dim,
        "head_dim_v": card.head_dim,
        "kv_per_token": card.layers * card.kv_heads * 2 * card.head_dim,
        "kv_number_bytes": _F32,
        "vocab": card.vocab,
        "chat_template": card.chat_template,
        "bos_token": card.bos_token,
        "eos_token": card.eos_token,
        "add_bos": card.add_bos,
        "bos_id": card.bos_id,
        "end_ids": card.end_ids,
    }


_NOTHING: dict[str, object] = {
    "context_train": 0,
    "layers": 0,
    "embedding": 0,
    "heads": 0,
    "kv_heads": 0,
    "head_dim_k": 0,
    "head_dim_v": 0,
    "kv_per_token": 0,
    "vocab": 0,
    "chat_template": None,
    "bos_token": None,
    "eos_token": None,
    "add_bos": None,
}
"""What models of other kinds than "language" lack."""
