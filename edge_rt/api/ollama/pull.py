"""POST /api/pull."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from msgspec import UNSET, UnsetType
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context, Exchange, ending, exchange_of
from edge_rt.api.middleware.decode import decode, read_body, unless_gone
from edge_rt.api.middleware.respond import LineStream, send_json
from edge_rt.api.ollama.models import required_name
from edge_rt.core.errors import ModelNotFound
from edge_rt.core.requests import PullProgress

PERIOD_S = 0.25  # between two lines of the stream at least: a file comes in thousands of pieces


class OllamaPullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which model of the catalogue is to be fetched."""

    model: str | None = None
    """Its name."""
    name: str | None = None
    """The older form of `model`."""
    stream: bool | None = None
    """Whether the progress comes as lines of JSON. Default: true."""
    insecure: bool | None = None
    """Changes nothing: every file is verified by its sha256."""


class OllamaPulled(msgspec.Struct, frozen=True, kw_only=True):
    """How far a download is, in bytes."""

    status: str
    digest: str | UnsetType = UNSET
    total: int | UnsetType = UNSET
    completed: int | UnsetType = UNSET


_SUCCESS = OllamaPulled(status="success")


class OllamaPull:
    """Fetch a model of the catalogue (administers); streams as /api/chat.

    What is in the store is not fetched.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised."""
        body = await read_body(scope, receive, limit=self._context.requests.body_bytes)
        asked = decode(OllamaPullRequest, body)
        name, exchange = required_name(asked.model, asked.name), exchange_of(scope)
        steps = self._steps(name, exchange)
        if asked.stream is False:
            await unless_gone(self._whole(steps, send), receive)
        else:
            await unless_gone(self._stream(steps, exchange, send), receive)

    async def _steps(self, name: str, exchange: Exchange) -> AsyncGenerator[PullProgress]:
        """Yield how far the download is; a model that is there needs none, and no administrator.

        Raises HTTPException 403 for others, and what the service raises.
        """
        service = self._context.service
        try:
            card = service.card(name)
        except ModelNotFound:
            exchange.rights.check_administer()
            async with aclosing(service.pull(name)) as pulled:
                async for step in pulled:
                    yield step
        else:
            yield PullProgress(card.sha256, card.size_bytes, card.size_bytes)

    async def _whole(self, steps: AsyncGenerator[PullProgress], send: Send) -> None:
        async with aclosing(steps):
            async for _ in steps:
                pass
        await send_json(send, _SUCCESS)

    async def _stream(
        self, steps: AsyncGenerator[PullProgress], exchange: Exchange, send: Send
    ) -> None:
        out, due_s = LineStream(send), -math.inf
        async with ending(out, exchange):
            async with aclosing(steps):
                async for step in steps:
                    if not out.started:
                        await out.start()
                        await out.events([OllamaPulled(status="pulling manifest")])
                    now_s = self._context.monotonic()
                    if now_s >= due_s or step.done_bytes == step.total_bytes:
                        due_s = now_s + PERIOD_S
                        await out.events([_told(step)])
            await out.events([OllamaPulled(status="verifying sha256 digest"), _SUCCESS])


def _told(step: PullProgress) -> OllamaPulled:
    return OllamaPulled(
        status=f"pulling {step.sha256[:12]}",
        digest=f"sha256:{step.sha256}",
        total=step.total_bytes,
        completed=step.done_bytes,
    )
