"""GET /v1/models and GET /v1/models/{id}."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.respond import send_json
from edge_rt.api.service import Service
from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.errors import ModelNotFound
from edge_rt.core.requests import Kind, ModelCard


def aliased(service: Service) -> dict[str, ModelCard]:
    """Return the models that aliases stand for; those of no single model are left out."""
    found: dict[str, ModelCard] = {}
    for alias in service.aliases():
        try:
            found[alias] = service.card(alias)
        except ModelNotFound:  # as "auto" is
            continue
    return found


def capabilities(card: ModelCard, format: ChatFormat | None = None) -> list[str]:
    """Return what the model can do; `thinking` is known by the `format` of its answers alone."""
    if card.kind != "language":
        return [card.kind]
    tools = ["tools"] if card.has_template else []
    sees = ["vision"] if card.sees else []
    thinking = ["thinking"] if format is not None and format.thinking is not None else []
    return ["completion", *tools, *sees, *thinking]


class EdgeModel(msgspec.Struct, frozen=True):
    """What we tell of a model beyond OpenAI's shape."""

    backend: str
    context: int | None  # tokens; None: it takes no text
    loaded: bool
    size_bytes: int
    has_template: bool
    kind: Kind
    capabilities: list[str]  # of one model alone "thinking" is among them
    variant: str | None  # a request pins it as "ID@VARIANT"; None: there is nothing to choose
    chat: ChatFormat | UnsetType = UNSET  # how it writes calls and thoughts; of one model alone


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model in OpenAI's shape, with two fields of vLLM."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    max_model_len: int | UnsetType = UNSET
    """Most tokens of prompt and answer together."""
    root: str | UnsetType = UNSET
    """The model that an alias stands for."""
    edge: EdgeModel


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All models in OpenAI's shape."""

    object: Literal["list"] = "list"
    data: list[Model]


async def models(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """List the models in the store.

    Their aliases come behind them.
    """
    named = [(card.id, card) for card in context.service.cards()]
    named += aliased(context.service).items()
    await send_json(send, ModelList(data=[_model(name, card) for name, card in named]))


async def one_model(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Describe one model.

    Raises ModelNotFound.
    """
    service, id = context.service, scope["path_params"]["id"]
    card = service.card(id)
    chat = await service.chat_format(card.id) if card.has_template else None
    model = _model(id if id in service.aliases() else card.id, card)
    able = capabilities(card, chat)
    edge = replace(model.edge, chat=UNSET if chat is None else chat, capabilities=able)
    await send_json(send, replace(model, edge=edge))


def _model(name: str, card: ModelCard) -> Model:
    edge = EdgeModel(
        backend=card.backend,
        context=card.context or None,
        loaded=card.loaded,
        size_bytes=card.size_bytes,
        has_template=card.has_template,
        kind=card.kind,
        capabilities=capabilities(card),
        variant=card.variant,
    )
    return Model(
        id=name,
        created=card.created,
        owned_by=card.owned_by,
        max_model_len=card.context or UNSET,
        root=UNSET if name == card.id else card.id,
        edge=edge,
    )
