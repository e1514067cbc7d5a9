"""POST /edge/v1/plan: what an answer would take, and with `run` what it took."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from edge_rt.api.edge.told import tell
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.document import read_document
from edge_rt.api.middleware.respond import send_json
from edge_rt.api.middleware.watch import unless_gone
from edge_rt.api.openai.messages import MOST, ChatMessage, template_messages
from edge_rt.core.errors import RequestError
from edge_rt.core.reports.planning import PlanAsk

_MOST_MODELS, _MOST_THREADS = 32, 512


class PlanRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body; see PlanAsk. Either a prompt or messages."""

    prompt: Annotated[str, Meta(min_length=1)] | None = None
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=MOST)] | None = None
    models: Annotated[list[str], Meta(max_length=_MOST_MODELS)] = []
    threads: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(max_length=_MOST_THREADS)] = []
    max_tokens: Annotated[int, Meta(ge=1, le=1 << 20)] = 128
    run: bool = False
    fresh: bool = False
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    ignore_eos: bool = False


_DECODER = msgspec.json.Decoder(PlanRequest)


class Plan:
    """Tells of every candidate; with `run` in a stream, as one after the other is run."""

    def __init__(self, context: Context) -> None:
        self._context, self._service = context, context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised."""
        request = await read_document(self._context, scope, receive, _DECODER)
        ask = asked(request)
        if request.run:
            await tell(scope, receive, send, self._service.tries(ask))
        else:
            await unless_gone(self._plan(ask, send), receive)

    async def _plan(self, ask: PlanAsk, send: Send) -> None:
        await send_json(send, await self._service.plan(ask))


def asked(request: PlanRequest) -> PlanAsk:
    """What the daemon is asked; raises RequestError for what types cannot tell."""
    if (request.prompt is None) == (request.messages is None):
        message = "Send either `prompt` or `messages`."
        raise RequestError(message, param="prompt", code="missing_required_parameter")
    return PlanAsk(
        prompt=request.prompt,
        messages=template_messages(request.messages or []),
        models=request.models,
        threads=list(dict.fromkeys(request.threads)),
        max_tokens=request.max_tokens,
        fresh=request.fresh,
        temperature=request.temperature,
        seed=request.seed,
        ignore_eos=request.ignore_eos,
    )
