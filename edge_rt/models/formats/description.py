"""The card of an ONNX model that brings none, from its options, graph and tokenizer.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.formats.card import Card, EmbeddingCard, TensorsCard
from edge_rt.models.formats.onnx_file import OnnxFile
from edge_rt.models.formats.summary import MAX_CONTEXT, MAX_WIDTH, Pooling
from edge_rt.models.store.disk import read_regular

_MAX_BYTES = 128 * 1024 * 1024  # the largest vocabularies need some 35 MB


class _Truncation(msgspec.Struct, frozen=True):
    max_length: int


class _Added(msgspec.Struct, frozen=True):
    content: str
    special: bool = False


class _Tokenizer(msgspec.Struct, frozen=True):
    truncation: _Truncation | None = None
    added_tokens: list[_Added] = []


def special_tokens(path: Path) -> list[str]:
    """The control tokens of the tokenizer at `path`, as texts; raises as `longest_text`."""
    return [token.content for token in _read(path).added_tokens if token.special]


def longest_text(path: Path) -> int | None:
    """After how many tokens the tokenizer at `path` cuts a text, where it does.

    Raises ModelFileError for a file that is cut off or else no tokenizer.
    """
    truncation = _read(path).truncation
    return None if truncation is None else truncation.max_length


def _read(path: Path) -> _Tokenizer:
    try:
        return msgspec.json.decode(read_regular(path, _MAX_BYTES), type=_Tokenizer)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise ModelFileError(f"{path}: not a tokenizer: {error}") from error


_UNKNOWN = "unknown"  # the architecture: no field of an ONNX file has it


@dataclass(frozen=True)
class Description:
    """None is what nobody said."""

    kind: Literal["embedding", "tensors"] | None = None
    pooling: Pooling | None = None
    context: int | None = None  # tokens
    width: int | None = None  # of the vectors
    normalise: bool | None = None

    def refuse_for(self, why: str) -> None:
        """Raise RequestError unless nothing was said."""
        if self != Description():
            raise RequestError(f"what kind of model it is cannot be chosen: {why}", param="kind")

    def card(self, place: Path, found: OnnxFile, tokenizer: Path | None) -> Card:
        """The card for the model at `place`; RequestError asks for what is lacking."""
        kind = self.kind or ("tensors" if tokenizer is None else None)
        if kind is None:
            message = f"{place} has no model.json: say what it is with --kind embedding or tensors"
            raise RequestError(message, param="kind")
        if kind == "tensors":
            if self != Description("tensors") and self != Description():
                raise RequestError("only models of --kind embedding have a pooling", param="kind")
            return TensorsCard(
                architecture=_UNKNOWN,
                quantisation=found.quantisation,
                parameters=found.parameters,
            )
        if tokenizer is None:
            message = f"{place}: an embedding model is a folder with model.onnx and tokenizer.json"
            raise RequestError(message, param="kind")
        return self._embedding(found, tokenizer)

    def _embedding(self, found: OnnxFile, tokenizer: Path) -> Card:
        context = self.context or longest_text(tokenizer)
        width = self.width or found.output_width
        if self.pooling is None:
            raise RequestError("say how it pools: --pooling mean, cls or last", param="pooling")
        if context is None:
            message = "tokenizer.json does not say how long texts may be: say it with --context"
            raise RequestError(message, param="context")
        if width is None:
            message = "the graph does not say how long its vectors are: say it with --width"
            raise RequestError(message, param="width")
        _require("context", context, MAX_CONTEXT)
        _require("width", width, MAX_WIDTH)
        if found.positions is not None and context > found.positions:
            if self.context is not None:
                places = f"the graph has places for {found.positions} tokens"
                raise RequestError(f"--context is {context}, but {places}", param="context")
            context = found.positions
        if found.output_width not in (None, width):
            message = f"--width is {width}, but the graph's vectors are {found.output_width} wide"
            raise RequestError(message, param="width")
        return EmbeddingCard(
            architecture=_UNKNOWN,
            quantisation=found.quantisation,
            parameters=found.parameters,
            context=context,
            embedding=width,
            pooling=self.pooling,
            normalise=self.normalise is not False,
        )


def _require(name: str, value: int, limit: int) -> None:
    if not 1 <= value <= limit:
        raise RequestError(f"--{name} is {value}, expected 1 to {limit}", param=name)
