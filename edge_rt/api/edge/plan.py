"""POST /edge/v1/plan and /edge/v1/calibrate, GET /edge/v1/calibration."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context, exchange_of
from edge_rt.api.middleware.decode import read_document, unless_gone, whole_numbers
from edge_rt.api.middleware.respond import EventStream, drop_tracebacks, explain, send_json
from edge_rt.api.openai.messages import MOST, ChatMessage, template_messages
from edge_rt.core.errors import RequestError
from edge_rt.core.reports.planning import CalibrateRequest, PlanAsk


async def tell(
    scope: Scope,
    receive: Receive,
    send: Send,
    documents: AsyncGenerator[msgspec.Struct],
) -> None:
    """Send each document as it comes; what fails before the first one is raised.

    The generator is closed when the client goes away. Raises ClientDisconnect then.
    """
    await unless_gone(_tell(scope, send, documents), receive)


async def _tell(scope: Scope, send: Send, documents: AsyncGenerator[msgspec.Struct]) -> None:
    out = EventStream(send)
    try:
        async with aclosing(documents) as said:
            async for document in said:
                if not out.started:
                    await out.start()
                await out.events([document])
    except Exception as error:
        if not out.started:
            raise
        failure = explain(error)
        drop_tracebacks(error)
        exchange_of(scope).status = failure.status
        await out.fail(failure)
    else:
        await out.done()


_CALIBRATIONS = msgspec.json.Decoder(CalibrateRequest)


async def calibrate(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Calibrate while the client listens, and tell where that stands; it ends with the client.

    Errors before the response are raised.
    """
    ask = await read_document(context, scope, receive, _CALIBRATIONS)
    await tell(scope, receive, send, context.service.calibrate(ask))


async def calibration(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show what was calibrated; raises RequestError for any query."""
    whole_numbers(scope)
    await send_json(send, context.service.calibration())


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
    constrained: bool = False
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    ignore_eos: bool = False


_DECODER = msgspec.json.Decoder(PlanRequest)


async def plan(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell of every candidate; with `run` in a stream, as one after the other is run.

    Errors before the response are raised.
    """
    request = await read_document(context, scope, receive, _DECODER)
    ask = asked(request)
    if request.run:
        await tell(scope, receive, send, context.service.tries(ask))
    else:
        await unless_gone(_plan(context, ask, send), receive)


async def _plan(context: Context, ask: PlanAsk, send: Send) -> None:
    await send_json(send, await context.service.plan(ask))


def asked(request: PlanRequest) -> PlanAsk:
    """What the daemon is asked; raises RequestError for what types cannot tell."""
    if (request.prompt is None) == (request.messages is None):
        message = "Send either `prompt` or `messages`."
        raise RequestError(message, param="prompt", code="missing_required_parameter")
    if request.run and request.constrained:
        message = "`constrained` is for a plan alone: a run is of free answers."
        raise RequestError(message, param="constrained", code="invalid_value")
    return PlanAsk(
        prompt=request.prompt,
        messages=template_messages(request.messages or []),
        models=request.models,
        threads=list(dict.fromkeys(request.threads)),
        max_tokens=request.max_tokens,
        fresh=request.fresh,
        constrained=request.constrained,
        temperature=request.temperature,
        seed=request.seed,
        ignore_eos=request.ignore_eos,
    )
