"""POST /edge/v1/feedback, GET /edge/v1/router, its reset, and GET /edge/v1/trace/{id}."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.body import read_document
from edge_rt.api.middleware.context import Context, exchange_of
from edge_rt.api.middleware.decode import describe, whole_numbers
from edge_rt.api.middleware.respond import send_json
from edge_rt.core.errors import RequestError
from edge_rt.routing.quality.learner import ArmFilter

_WORDS = {"good": 1.0, "bad": 0.0}


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mark for the answer of that id: a word, or a number from 0, bad, to 1, good.

    The comment may say more to whoever reads along; it is not kept.
    """

    id: str
    """Id of the answer."""
    mark: str | float
    """`good`, `bad`, or a number from 0 (bad) to 1 (good)."""
    comment: str | None = None
    """A comment, which is not kept."""

    @property
    def number(self) -> float:
        """The mark from 0 to 1; raises RequestError where it is none."""
        mark = _WORDS.get(self.mark, self.mark) if isinstance(self.mark, str) else self.mark
        if isinstance(mark, str) or not 0.0 <= mark <= 1.0:
            expected = 'expected "good", "bad" or a number from 0 to 1'
            message = f"`mark`: {expected}, got {describe(mark)}."
            raise RequestError(message, param="mark", code="invalid_value")
        return mark


_MARKS = msgspec.json.Decoder(Feedback)


class GiveFeedback:
    """Takes marks; an answer with a bad one is not given again."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for what cannot be a mark."""
        given = await read_document(self._context, scope, receive, _MARKS)
        client, marking = exchange_of(scope).client, self._context.marking
        key = marking.kept_as(given.id, client)
        marked = marking.give(given.id, client, given.number)
        if key is not None and marked.mark < 0.5:
            await self._context.caching.forget(key)
        await send_json(send, marked)


class RouteTrace:
    """Tells the trace of a routed request, by the id of its answer."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError where there is no trace, or none any more."""
        await send_json(send, self._service.trace(scope["path_params"]["id"]))


class Reset(msgspec.Struct, frozen=True):
    """Of how many arms in a context something was forgotten."""

    arms: int


_DECODER = msgspec.json.Decoder(ArmFilter)


class Router:
    """Shows what was learnt."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for any query, as there is nothing to ask."""
        whole_numbers(scope)
        await send_json(send, self._service.router())


class RouterReset:
    """Forgets what was learnt of a model, of a mode, or all."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for a query and for what names nothing."""
        which = await read_document(self._context, scope, receive, _DECODER)
        await send_json(send, Reset(self._context.service.reset_router(which)))
