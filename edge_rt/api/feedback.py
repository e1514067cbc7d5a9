"""POST /edge/v1/feedback: how good an answer was."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from edge_rt.api.context import Context, exchange_of
from edge_rt.api.document import read_document
from edge_rt.api.respond import send_json


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mark for the answer of that id: a word, or a number from 0, bad, to 1, good.

    The comment may say more to whoever reads along; it is not kept.
    """

    id: str
    mark: Literal["good", "bad"] | Annotated[float, Meta(ge=0, le=1)]
    comment: str | None = None

    @property
    def number(self) -> float:
        """The mark from 0 to 1."""
        return float(self.mark == "good") if isinstance(self.mark, str) else self.mark


_DECODER = msgspec.json.Decoder(Feedback)


class GiveFeedback:
    """Takes marks."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for what cannot be a mark."""
        given = await read_document(self._context, scope, receive, _DECODER)
        client = exchange_of(scope).client
        await send_json(send, self._context.marking.give(given.id, client, given.number))
