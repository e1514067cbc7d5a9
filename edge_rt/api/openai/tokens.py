"""POST /tokenize and /detokenize, as llama.cpp's server and vLLM have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.middleware.respond import send_json
from edge_rt.api.openai.fields import TokenId
from edge_rt.api.task import Received, TaskEndpoint
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Tokenized
from edge_rt.core.requests import ModelCard

LONGEST = 1 << 20  # characters of a text, and tokens


class TokenizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is to be cut into tokens; a field that is null is a field left out."""

    content: Annotated[str, Meta(max_length=LONGEST)] | None = None
    """The text, as llama.cpp's server calls it."""
    prompt: Annotated[str, Meta(max_length=LONGEST)] | None = None
    """The text, as vLLM calls it."""
    model: str | None = None
    """Id of a language model."""
    add_special: bool | None = None
    """Whether the model's first token comes first. Default: with `prompt` alone."""
    add_special_tokens: bool | None = None
    """vLLM's name of `add_special`."""
    parse_special: bool | None = None
    """Whether control tokens that are written out in the text are those tokens. Default: true."""
    with_pieces: bool | None = None
    """Whether each token comes with what it stands for."""
    return_token_strs: bool | None = None
    """Whether `token_strs` has what the tokens stand for."""

    @property
    def text(self) -> str:
        """The text; raises RequestError unless there is one."""
        if (self.content is None) is (self.prompt is None):
            message = "send the text as `content` or as `prompt`, and only one of them."
            raise RequestError(message, param="content", code="invalid_value")
        return self.content if self.content is not None else self.prompt or ""

    @property
    def begins(self) -> bool:
        """Whether the model's first token comes first; raises RequestError for two answers."""
        said = {each for each in (self.add_special, self.add_special_tokens) if each is not None}
        if len(said) > 1:
            message = "`add_special` and `add_special_tokens` are the same, and differ here."
            raise RequestError(message, param="add_special_tokens", code="invalid_value")
        return said.pop() if said else self.prompt is not None


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
    max_model_len: int
    """Most tokens of prompt and answer together."""
    token_strs: list[str] | UnsetType = UNSET
    """What each stands for, with `return_token_strs`."""


class DetokenizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens whose text is wanted."""

    tokens: Annotated[list[TokenId], Meta(max_length=LONGEST)]
    """Ids of tokens."""
    model: str | None = None
    """Id of a language model."""


class DetokenizedText(msgspec.Struct, frozen=True, kw_only=True):
    """The text of some tokens, with control tokens as they are written in prompts."""

    content: str
    """The text, as llama.cpp's server calls it."""
    prompt: str
    """The same, as vLLM calls it."""


class TokenizeEndpoint(TaskEndpoint[TokenizeRequest]):
    """Cut a text into tokens, as llama.cpp's server and vLLM do.

    The model need not be in memory.
    """

    body = TokenizeRequest

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        text, begins, special = asked.text, asked.begins, asked.parse_special is not False
        card = _writer(self, request, asked.model)
        told = await self.context.service.tokenize(
            card.id,
            text,
            special=special,
            begins=begins,
            pieces=bool(asked.with_pieces or asked.return_token_strs),
        )
        await send_json(send, _document(asked, told, card.context))


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
        await send_json(send, DetokenizedText(content=text, prompt=text))


def _writer(endpoint: TaskEndpoint[Any], request: Received, model: str | None) -> ModelCard:
    """Return the language model that a request names; raises ModelNotFound or RequestError."""
    card = endpoint.context.service.card(model or "default")
    return endpoint.card(request, card.id, "language")


def _document(asked: TokenizeRequest, told: Tokenized, context: int) -> TokenizedText:
    tokens = told.tokens or []
    strings = [piece.decode(errors="replace") for piece in told.pieces]
    pieces = [TokenPiece(id, _shown(one)) for id, one in zip(tokens, told.pieces, strict=False)]
    return TokenizedText(
        tokens=pieces if asked.with_pieces else tokens,
        count=len(tokens),
        max_model_len=context,
        token_strs=strings if asked.return_token_strs else UNSET,
    )


def _shown(piece: bytes) -> str | list[int]:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)
