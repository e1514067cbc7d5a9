"""The card of a model that is no GGUF file: read from `model.json`, or made of its other files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.files import Sha256, read_regular
from edge_rt.models.formats.onnx_file import OnnxFile
from edge_rt.models.formats.summary import (
    MAX_CONTEXT,
    MAX_HEADS,
    MAX_LAYERS,
    MAX_WIDTH,
    Kind,
    Pooling,
    Summary,
)

CARD = "model.json"  # what the file is called

_MOST_BYTES = 4 * 1024 * 1024  # chat templates stay below 64 KiB
_MAX_VOCAB = 1 << 24
_F32 = 4  # bytes of a number in the KV of our graphs

_Word = Annotated[str, Meta(min_length=1, max_length=64)]
_Text = Annotated[str, Meta(max_length=1024)]
_Template = Annotated[str, Meta(max_length=1024 * 1024)]
_Token = Annotated[int, Meta(ge=0, lt=_MAX_VOCAB)]
_Heads = Annotated[int, Meta(ge=1, le=MAX_HEADS)]
_Width = Annotated[int, Meta(ge=1, le=MAX_WIDTH)]
_Context = Annotated[int, Meta(ge=1, le=MAX_CONTEXT)]
_MAX_BYTES = 128 * 1024 * 1024  # the largest vocabularies need some 35 MB
_UNKNOWN = "unknown"  # the architecture: no field of an ONNX file has it


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
    backend: Literal["onnx"] = "onnx"
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
        """Check that ids lie in the vocabulary; raises ValueError."""
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
    pooling: Pooling | Literal["rank"]  # "rank": one number says how well two texts fit
    normalise: bool  # whether vectors are to have length 1


Card = LanguageModelCard | EmbeddingCard
_KINDS: dict[type[Card], Kind] = {
    LanguageModelCard: "language",
    EmbeddingCard: "embedding",
}


def read_card(path: Path) -> Card:
    """Return the card at `path`; raises ModelFileError, which names the file and the field."""
    try:
        return msgspec.json.decode(read_regular(path, _MOST_BYTES), type=Card)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$.")
        place = f"{path}: {field.rstrip('`')}" if field else str(path)
        raise ModelFileError(f"{place}: {message}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path}: not JSON: {error}") from error


def write_card(card: Card) -> bytes:
    """Return the content of the file that says what `card` says; the same for the same card."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def summarise_card(card: Card, file_bytes: int, control_tokens: tuple[str, ...] = ()) -> Summary:
    """Return the summary of a model with that card, whose files have `file_bytes` in all."""
    known = msgspec.structs.asdict(card)
    found = {name: known[name] for name in Summary.__struct_fields__ if name in known}
    found |= {"kind": _KINDS[type(card)], "organisation": card.publisher, "file_bytes": file_bytes}
    found["control_tokens"] = control_tokens
    if isinstance(card, EmbeddingCard) and card.pooling == "rank":
        found |= {"pooling": None, "ranks": True}
    found["context_train"] = card.context
    if isinstance(card, LanguageModelCard):
        found |= {
            "head_dim_k": card.head_dim,
            "head_dim_v": card.head_dim,
            "kv_per_token": card.layers * card.kv_heads * 2 * card.head_dim,
            "kv_number_bytes": _F32,
        }
    return msgspec.convert(found, Summary)


class _Truncation(msgspec.Struct, frozen=True):
    max_length: int


class _Added(msgspec.Struct, frozen=True):
    content: str
    special: bool = False


class TokenizerFile(msgspec.Struct, frozen=True):
    """What of a tokenizer.json matters before it is loaded."""

    truncation: _Truncation | None = None
    added_tokens: list[_Added] = []

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """The control tokens, as texts."""
        return tuple(token.content for token in self.added_tokens if token.special)

    @property
    def longest_text(self) -> int | None:
        """The tokens after which a text is cut, where it is."""
        return None if self.truncation is None else self.truncation.max_length


def read_tokenizer(path: Path) -> TokenizerFile:
    """Read the tokenizer at `path`; raises ModelFileError for a file that is cut off or none."""
    try:
        return msgspec.json.decode(read_regular(path, _MAX_BYTES), type=TokenizerFile)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise ModelFileError(f"{path}: not a tokenizer: {error}") from error


@dataclass(frozen=True)
class Description:
    """What the user says of a model without a card; None: nothing was said of it."""

    pooling: Pooling | Literal["rank"] | None = None

    def refuse_for(self, why: str) -> None:
        """Raise RequestError unless nothing was said."""
        if self != Description():
            raise RequestError(f"how a model pools cannot be chosen: {why}", param="pooling")

    def card(self, place: Path, found: OnnxFile, tokenizer: Path | None) -> Card:
        """Return the card for the model at `place`; RequestError asks for what is lacking."""
        if tokenizer is None:
            message = f"{place}: an embedding model is a folder with model.onnx and tokenizer.json"
            raise RequestError(message, param="place")
        context, width = read_tokenizer(tokenizer).longest_text, found.output_width
        if self.pooling is None:
            asked = f"{place} has no {CARD}: say how it pools with --pooling mean, cls or last, "
            asked += "or rank for a cross-encoder"
            raise RequestError(asked, param="pooling")
        if self.pooling == "rank" and width != 1:
            told = f"{place} ranks no texts: its first output is not one number for each"
            raise RequestError(told, param="pooling")
        if context is None or width is None or not (0 < context <= MAX_CONTEXT):
            told = "how long texts may be" if width is not None else "how long its vectors are"
            raise RequestError(f"{place} does not say {told}: write its {CARD}", param="place")
        return EmbeddingCard(
            architecture=_UNKNOWN,
            quantisation=found.quantisation,
            parameters=found.parameters,
            context=min(context, found.positions or context),
            embedding=width,
            pooling=self.pooling,
            normalise=self.pooling != "rank",
        )
