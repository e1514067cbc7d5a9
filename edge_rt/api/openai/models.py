"""GET /v1/models and GET /v1/models/{id}."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.respond import send_json
from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.requests import Kind, ModelCard


class EdgeModel(msgspec.Struct, frozen=True):
    """What we tell of a model beyond OpenAI's shape."""

    backend: str
    context: int | None  # tokens; None: it takes no text
    loaded: bool
    size_bytes: int
    has_template: bool
    kind: Kind
    variant: str | None  # a request pins it as "ID@VARIANT"; None: there is nothing to choose
    chat: ChatFormat | UnsetType = UNSET  # how it writes calls and thoughts; of one model alone


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model in OpenAI's shape."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    edge: EdgeModel


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All models in OpenAI's shape."""

    object: Literal["list"] = "list"
    data: list[Model]


async def models(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """List the models in the store."""
    await send_json(send, ModelList(data=[_model(card) for card in context.service.cards()]))


async def one_model(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Describe one model; raises ModelNotFound."""
    card = context.service.card(scope["path_params"]["id"])
    chat = await context.service.chat_format(card.id) if card.has_template else UNSET
    model = _model(card)
    await send_json(send, replace(model, edge=replace(model.edge, chat=chat)))


def _model(card: ModelCard) -> Model:
    edge = EdgeModel(
        backend=card.backend,
        context=card.context or None,
        loaded=card.loaded,
        size_bytes=card.size_bytes,
        has_template=card.has_template,
        kind=card.kind,
        variant=card.variant,
    )
    return Model(id=card.id, created=card.created, owned_by=card.owned_by, edge=edge)
