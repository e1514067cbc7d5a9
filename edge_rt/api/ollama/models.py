"""The routes of Ollama's API that tell of models, and those that would change them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import read_document
from edge_rt.api.middleware.respond import LineStream, send_json
from edge_rt.api.ollama.answers import now
from edge_rt.api.openai.models import aliased, capabilities
from edge_rt.core.errors import ModelNotFound, RequestError, missing
from edge_rt.core.requests import LATEST, LoadedModel, ModelCard

SPOKEN = "0.13.0"
"""The version of Ollama whose API this is; clients compare it with the oldest that they know."""
_FOREVER = datetime(2318, 1, 1, tzinfo=timezone.utc)  # Ollama's: centuries away
_UNKNOWN = ("tensors", "adapter")  # kinds that Ollama has not
_FORMATS = {"llama.cpp": "gguf"}
REFUSED = {
    ("DELETE", "/api/delete"): "remove a model with `edge-rt models remove`",
    ("POST", "/api/create"): "bring a model in with `edge-rt models add`",
    ("POST", "/api/copy"): "give a model further names by models.aliases of the configuration",
    ("POST", "/api/push"): "models are not sent anywhere",
}
"""Routes that are refused by their name, with what to do instead."""


class OllamaDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The make of a model."""

    parent_model: str = ""
    format: str
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


class OllamaModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the store."""

    name: str
    model: str
    modified_at: datetime
    size: int
    digest: str
    details: OllamaDetails


class OllamaModels(msgspec.Struct, frozen=True):
    """The models of the store that write or embed text."""

    models: list[OllamaModel]


class OllamaLoaded(msgspec.Struct, frozen=True, kw_only=True):
    """One model in memory; its sizes are upper estimates in bytes."""

    name: str
    model: str
    size: int
    digest: str
    details: OllamaDetails
    expires_at: datetime
    size_vram: int
    context_length: int


class OllamaLoadedModels(msgspec.Struct, frozen=True):
    """The models in memory."""

    models: list[OllamaLoaded]


class OllamaVersion(msgspec.Struct, frozen=True):
    """The version of Ollama whose API is spoken, and that of edge_rt."""

    version: str
    edge: dict[str, str]


class OllamaShowRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which model is to be described."""

    model: str | None = None
    """Its name."""
    name: str | None = None
    """The older form of `model`."""
    verbose: bool | None = None
    """Changes nothing."""


class OllamaPullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which model is to be there."""

    model: str | None = None
    """Its name."""
    name: str | None = None
    """The older form of `model`."""
    stream: bool | None = None
    """Whether the answer comes as lines of JSON. Default: true."""
    insecure: bool | None = None
    """Changes nothing: nothing is fetched."""


class OllamaPulled(msgspec.Struct, frozen=True):
    """A step of a download."""

    status: str


class OllamaShown(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `template` is in the language of Jinja."""

    modelfile: str
    parameters: str
    template: str
    license: str
    details: OllamaDetails
    model_info: dict[str, Any]
    capabilities: list[str]
    modified_at: datetime


def required_name(model: str | None, name: str | None) -> str:
    """Return the model that a body names in either way; raises RequestError."""
    given = model or name
    if not given:
        raise missing("model")
    return given


async def version(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell the version of Ollama whose API is spoken."""
    await send_json(send, OllamaVersion(SPOKEN, {"version": context.version}))


async def tags(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """List the models that Ollama's API uses.

    Those are the models of the store that write or embed, and their aliases.
    """
    cards = {card.id: card for card in context.service.cards()} | aliased(context.service)
    listed = [_model(name, card) for name, card in cards.items() if card.kind not in _UNKNOWN]
    await send_json(send, OllamaModels(listed))


async def ps(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """List the models in memory."""
    cards = {card.id: card for card in context.service.cards()}
    at = now(context.clock)
    loaded = [(one, cards.get(one.id.partition("+")[0])) for one in context.service.loaded()]
    known = [_loaded(one, card, at) for one, card in loaded if card is not None]
    await send_json(send, OllamaLoadedModels(known))


async def show(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Describe one model, as Ollama does.

    Raises ModelNotFound.
    """
    asked = await read_document(context, scope, receive, OllamaShowRequest)
    card = context.service.card(required_name(asked.model, asked.name))
    format = await context.service.chat_format(card.id) if card.has_template else None
    shown = OllamaShown(
        modelfile=f"# edge_rt serves this model as it is.\nFROM {card.id}\n",
        parameters=_parameters(card),
        template=card.template or "",
        license=card.licence,
        details=_details(card),
        model_info={  # as GGUF files have the keys; the context is the one that is served
            "general.architecture": card.architecture,
            "general.parameter_count": card.parameters,
            f"{card.architecture}.context_length": card.context,
        },
        capabilities=capabilities(card, format),
        modified_at=datetime.fromtimestamp(card.created, timezone.utc),
    )
    await send_json(send, shown)


async def pull(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell that a model is there; the daemon fetches none.

    Raises RequestError for one that is not there.
    """
    asked = await read_document(context, scope, receive, OllamaPullRequest)
    name, done = required_name(asked.model, asked.name), OllamaPulled("success")
    try:
        context.service.card(name)
    except ModelNotFound:
        message = f"{name} is not in the store: fetch it with `edge-rt models pull {name}`"
        raise RequestError(message, param="model", code="not_in_store") from None
    if asked.stream is False:
        await send_json(send, done)
        return
    out = LineStream(send)
    await out.start()
    await out.events([OllamaPulled("pulling manifest"), done])
    await out.done()


async def refuse(advice: str, context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Raise HTTPException 403 with `advice` for what to do instead."""
    raise HTTPException(403, f"{scope['path']} is not served: {advice}.")


def _tagged(name: str) -> str:
    """Return a name as Ollama lists it: clients look for a tag."""
    return name if ":" in name else f"{name}{LATEST}"


def _model(name: str, card: ModelCard) -> OllamaModel:
    return OllamaModel(
        name=_tagged(name),
        model=_tagged(name),
        modified_at=datetime.fromtimestamp(card.created, timezone.utc),
        size=card.size_bytes,
        digest=card.sha256,
        details=_details(card),
    )


def _loaded(loaded: LoadedModel, card: ModelCard, at: datetime) -> OllamaLoaded:
    left_s = loaded.leaves_in_s
    return OllamaLoaded(
        name=_tagged(loaded.id),
        model=_tagged(loaded.id),
        size=loaded.size_bytes,
        digest=card.sha256,
        details=_details(card),
        expires_at=_FOREVER if left_s is None else at + timedelta(seconds=left_s),
        size_vram=loaded.gpu_bytes,
        context_length=loaded.context or 0,
    )


def _details(card: ModelCard) -> OllamaDetails:
    return OllamaDetails(
        format=_FORMATS.get(card.backend, card.backend),
        family=card.architecture,
        families=[card.architecture],
        parameter_size=_short(card.parameters),
        quantization_level=card.quantisation,
    )


def _short(count: int) -> str:
    """Return a number of parameters as people write it: 134.5M, 1.5B."""
    scale: Sequence[tuple[int, str]] = ((10**9, "B"), (10**6, "M"), (10**3, "K"))
    size, unit = next(((size, unit) for size, unit in scale if count >= size), (1, ""))
    return f"{round(count / size, 2):g}{unit}"


def _parameters(card: ModelCard) -> str:
    """Return what a request without options gets, a line each."""
    given = msgspec.structs.asdict(card.sampling)
    lines = [f"num_ctx {card.context}"] if card.context else []
    names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
    return "\n".join([*lines, *(f"{name} {given[name]}" for name in names)])
