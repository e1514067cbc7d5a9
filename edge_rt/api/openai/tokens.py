"""POST /tokenize and /detokenize, as llama.cpp's server has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.middleware.respond import send_json
from edge_rt.api.openai.fields import TokenId
from edge_rt.api.task import Received, TaskEndpoint
from edge_rt.core.requests import ModelCard

LONGEST = 1 << 20  # characters of a text, and tokens


class TokenizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is to be cut into tokens; a field that is null is a field left out."""

    content: Annotated[str, Meta(max_length=LONGEST)]
    """The text."""
    model: str | None = None
    """Id of a language model."""
    add_special: bool | None = None
    """Whether the model's first token comes first. Default: false."""
    parse_special: bool | None = None
    """Whether control tokens that are written out in the text are those tokens. Default: true."""
    with_pieces: bool | None = None
    """Whether each token comes with what it stands for."""


class TokenPiece(msgspec.Struct, frozen=True):
    """A token with what it stands for: a text, or its bytes where they are no text by itself."""

    id: int
    piece: str | list[int]


class TokenizedText(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of a text."""

    tokens: Sequence[int | TokenPiece]
    """Their ids, or objects with `with_pieces`."""
    count: int
    """How many."""


class DetokenizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens whose text is wanted."""

    tokens: Annotated[list[TokenId], Meta(max_length=LONGEST)]
    """Ids of tokens."""
    model: str | None = None
    """Id of a language model."""


class DetokenizedText(msgspec.Struct, frozen=True, kw_only=True):
    """The text of some tokens, with control tokens as they are written in prompts."""

    content: str
    """The text."""


class TokenizeEndpoint(TaskEndpoint[TokenizeRequest]):
    """Cut a text into tokens, as llama.cpp's server does.

    The model need not be in memory.
    """

    body = TokenizeRequest

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        card = _writer(self, request, asked.model)
        told = await self.context.service.tokenize(
            card.id,
            asked.content,
            special=asked.parse_special is not False,
            begins=bool(asked.add_special),
            pieces=bool(asked.with_pieces),
        )
        tokens: Sequence[int | TokenPiece] = told.tokens or []
        if asked.with_pieces:
            pairs = zip(told.tokens or [], told.pieces, strict=False)
            tokens = [TokenPiece(id, _shown(piece)) for id, piece in pairs]
        await send_json(send, TokenizedText(tokens=tokens, count=len(tokens)))


class DetokenizeEndpoint(TaskEndpoint[DetokenizeRequest]):
    """Write tokens out as text.

    The model need not be in memory.
    """

    body = DetokenizeRequest

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        card = _writer(self, request, asked.model)
        told = await self.context.service.tokenize(card.id, asked.tokens, pieces=True)
        text = b"".join(told.pieces).decode(errors="replace")
        await send_json(send, DetokenizedText(content=text))


def _writer(endpoint: TaskEndpoint[Any], request: Received, model: str | None) -> ModelCard:
    """Return the language model that a request names; raises ModelNotFound or RequestError."""
    card = endpoint.context.service.card(model or "default")
    return endpoint.card(request, card.id, "language")


def _shown(piece: bytes) -> str | list[int]:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)
