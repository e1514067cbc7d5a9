"""The endpoints whose requests end in one answer: what they do alike."""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.allowance import TextAllowance, grant
from edge_rt.api.middleware.context import Context, Exchange, exchange_of
from edge_rt.api.middleware.decode import read_body, unless_gone, whole_numbers
from edge_rt.api.openai.fields import Text
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Embedded, Timings
from edge_rt.core.requests import Cost, EmbedCall, Kind, ModelCard
from edge_rt.generation.usage import Edge, Origin, tallied

BodyT = TypeVar("BodyT", bound=msgspec.Struct)
_INPUT = re.compile(r"input\[(\d+)\]")


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    scope: Scope
    body: bytes
    exchange: Exchange


class TaskEndpoint(ABC, Generic[BodyT]):
    """An ASGI endpoint that reads a request and answers while the client waits."""

    body: type[BodyT]
    values: ClassVar[bool] = True
    """Whether the body is JSON."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._reader = BodyReader(self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised."""
        whole_numbers(scope)  # raises RequestError: there is none to ask for
        limit = self.limit(scope)
        body = await read_body(scope, receive, limit=limit, values=self.values)
        await unless_gone(self.answer(Received(scope, body, exchange_of(scope)), send), receive)

    def limit(self, scope: Scope) -> int:
        """Return the most bytes of a body."""
        return self.context.requests.body_bytes

    def read(self, request: Received) -> BodyT:
        """Return the decoded body; raises RequestError."""
        return self._reader.read(request.body, request.exchange.warnings)

    @abstractmethod
    async def answer(self, request: Received, send: Send) -> None:
        """Decode, check, have it done and answer."""

    def card(self, request: Received, model: str | None, kind: Kind) -> ModelCard:
        """Return the model that the request is for; raises RequestError or ModelNotFound."""
        card = self.context.service.able(model or "default", kind)
        request.exchange.model = card.id
        return card

    def booked(
        self, request: Received, model: str, backend: str, timings: Timings, cost: Cost
    ) -> Edge:
        """Count what a model, run by that backend, did for a request, and tell it."""
        tally = tallied(timings, cost)
        self.context.meters.generated(model, tally)
        return tally.edge(Origin(model, backend, None, None, None))


def vectors(embedded: Embedded) -> list[tuple[float, ...]]:
    """Return the numbers of each vector."""
    numbers = struct.Struct(f"<{embedded.width}f")
    return [*numbers.iter_unpack(embedded.vectors)]


def placed(error: RequestError, fields: Sequence[str]) -> RequestError:
    """Return an error about `input[N]`, the text N of all, as one about the field sent for it."""
    found = _INPUT.fullmatch(error.param or "")
    if found is None:
        return error
    param = fields[int(found[1])]
    message = str(error).replace(f"`{error.param}`", f"`{param}`")
    return RequestError(message, param=param, code=error.code)


class TextUsage(msgspec.Struct, frozen=True):
    """Tokens, as OpenAI counts them for embeddings."""

    prompt_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, embedded: Embedded) -> TextUsage:
        tokens = embedded.timings.prompt_tokens
        return cls(tokens, tokens)


class TextEndpoint(TaskEndpoint[BodyT]):
    """Has texts embedded."""

    async def embed(
        self,
        request: Received,
        card: ModelCard,
        texts: Sequence[Text],
        allowance: TextAllowance | None,
        dimensions: int | None = None,
        query: str | None = None,
    ) -> tuple[Embedded, Edge]:
        """Return the vectors of the texts, and their cost; raises the errors of the service.

        With a `query` they are scores by a model that ranks.
        """
        side = allowance.side if allowance else None
        call = EmbedCall(card.id, list(texts), side, dimensions, query=query)
        exchange = request.exchange
        [call] = grant([call], allowance, exchange.arrived, app=exchange.app)
        embedded, cost = await self.context.service.tasks.embed(call)
        return embedded, self.booked(request, card.id, card.backend, embedded.timings, cost)
