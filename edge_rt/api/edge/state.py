"""/health, /metrics, and routes under /edge/v1 that show the daemon's state or change it.

GET: status, load, board, ledger, budget, history, trace and calibration. PUT: budget.
POST: plan and calibrate.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from importlib import import_module
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context, ending, exchange_of
from edge_rt.api.middleware.decode import (
    Whole,
    read_body,
    read_document,
    unless_gone,
    whole_numbers,
)
from edge_rt.api.middleware.respond import (
    EventStream,
    explain,
    send_bytes,
    send_failure,
    send_json,
)
from edge_rt.api.openai.messages import MOST, ChatMessage, template_messages
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.core.clock import in_thread
from edge_rt.core.errors import EngineError, RequestError, StoreError, Unavailable
from edge_rt.core.reports.governor import BudgetChange
from edge_rt.core.reports.planning import CalibrateRequest, PlanAsk

_UNWELL = "No answer can be made now; ask with a key for the reason."
RETRY_S = 5.0  # after a failed engine: about what starting it again takes

LEDGER = {"days": Whole(1, 3650, default=30), "last": Whole(0, 1000, default=20)}
HISTORY = {"since": Whole(1, 86_400, default=3600)}
_MOST_MODELS, _MOST_THREADS = 32, 512


async def health(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Prove that an answer can be made, else 503.

    Raises Unavailable when there is no proof. Who has no right to use models learns only whether
    there is one.
    """
    known = exchange_of(scope).rights.generate
    try:
        proof = await context.service.health()
    except (EngineError, StoreError, Unavailable) as error:
        if not known:
            raise Unavailable(_UNWELL, retry_after_s=RETRY_S, code="unhealthy") from error
        if not isinstance(error, Unavailable):
            raise Unavailable(str(error), retry_after_s=RETRY_S, code="engine_error") from error
        if error.retry_after_s is not None:
            raise
        # Nothing but 503 means "not healthy" to monitors, even where somebody has to act.
        await send_failure(send, msgspec.structs.replace(explain(error), status=503))
        return
    await send_json(send, proof if known else {"status": proof["status"]})


async def metrics(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show the metrics to Prometheus."""
    if "prometheus_client" not in sys.modules:  # 0.1 s that other requests need not wait
        await in_thread(partial(import_module, "prometheus_client"))
    from prometheus_client import CONTENT_TYPE_LATEST

    headers = ((b"content-type", CONTENT_TYPE_LATEST.encode()),)
    await send_bytes(send, context.meters.render(), headers=headers)


async def status(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show the state of the daemon, engine and models."""
    await send_json(send, await context.service.status())


async def load(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show in short what a balancer over several boards needs; costs next to nothing.

    Raises RequestError for any query.
    """
    whole_numbers(scope)
    await send_json(send, context.service.load())


async def board(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show every rail, zone, clock and flag of the board.

    Raises RequestError for any query.
    """
    whole_numbers(scope)
    await send_json(send, context.service.board())


async def ledger(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show joules by day and model, and of the last requests.

    Raises RequestError for any other query.
    """
    asked = whole_numbers(scope, **LEDGER)
    await send_json(send, await context.service.ledger(asked["days"], asked["last"]))


async def budget(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show the budget, the limits in force, and why.

    Raises RequestError for any query.
    """
    whole_numbers(scope)
    await send_json(send, context.service.budget())


async def set_budget(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Change the budget until the daemon ends (administers).

    Raises RequestError for a query and for what cannot be a budget.
    """
    context.service.governor_loop.change(await read_document(context, scope, receive, BudgetChange))
    await send_json(send, context.service.budget())


async def history(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show power, heat, limits and requests of the last seconds.

    Raises RequestError for any other query.
    """
    asked = whole_numbers(scope, **HISTORY)
    await send_json(send, context.service.history(asked["since"]))


async def trace(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Explain the choice of model for an answer.

    Raises RequestError where no trace is kept.
    """
    await send_json(send, context.service.trace(scope["path_params"]["id"]))


async def _tell(scope: Scope, send: Send, documents: AsyncGenerator[msgspec.Struct]) -> None:
    """Send each document as it comes, then close `documents`; raise what fails before the first."""
    out = EventStream(send)
    async with ending(out, exchange_of(scope)), aclosing(documents) as said:
        async for document in said:
            if not out.started:
                await out.start()
            await out.events([document])


async def calibrate(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Calibrate board and models; the reply tells the progress (administers).

    It ends with the client. Errors before the response are raised.
    """
    ask = await read_document(context, scope, receive, CalibrateRequest)
    await unless_gone(_tell(scope, send, context.service.calibrate(ask)), receive)


async def calibration(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Show the last calibration.

    Raises RequestError for any query.
    """
    whole_numbers(scope)
    await send_json(send, context.service.calibration())


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


_PLAN = BodyReader(PlanRequest)


async def plan(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Predict seconds, joules and degrees of an answer; with `run`, run each candidate too.

    Errors before the response are raised.
    """
    whole_numbers(scope)
    body = await read_body(scope, receive, limit=context.requests.body_bytes)
    request = _PLAN.read(body, exchange_of(scope).warnings)
    ask = asked(request)
    if request.run:
        work = _tell(scope, send, context.service.tries(ask))
    else:
        work = _plan(context, ask, send)
    await unless_gone(work, receive)


async def _plan(context: Context, ask: PlanAsk, send: Send) -> None:
    await send_json(send, await context.service.plan(ask))


def asked(request: PlanRequest) -> PlanAsk:
    """Return what the daemon is asked; raises RequestError for what types cannot tell."""
    if (request.prompt is None) == (request.messages is None):
        message = "Send either `prompt` or `messages`."
        raise RequestError(message, param="prompt", code="missing_required_parameter")
    if request.run and request.constrained:
        message = "`constrained` is for a plan alone: a run is of free answers."
        raise RequestError(message, param="constrained", code="invalid_value")
    said: dict[str, Any] = {name: getattr(request, name) for name in PlanAsk.__struct_fields__}
    said["messages"] = template_messages(request.messages or [])
    said["threads"] = list(dict.fromkeys(request.threads))
    return PlanAsk(**said)
