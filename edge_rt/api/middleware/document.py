"""A request whose body is one JSON document, and whose URL asks for nothing."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.types import Receive, Scope

from edge_rt.api.middleware.body import read_body
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import decode
from edge_rt.api.middleware.query import whole_numbers

T = TypeVar("T")


async def read_document(
    context: Context, scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[T]
) -> T:
    """The body as `decoder` reads it.

    Raises RequestError, also for any query; and what `read_body` raises.
    """
    whole_numbers(scope)
    return decode(decoder, await read_body(scope, receive, limit=context.requests.body_bytes))
