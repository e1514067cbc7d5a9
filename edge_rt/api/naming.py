"""What clients are told of models: their further names, and what they can be used for."""

from __future__ import annotations

from edge_rt.api.service import Service
from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.errors import ModelNotFound
from edge_rt.core.requests import ModelCard


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
    thinking = ["thinking"] if format is not None and format.thinking is not None else []
    return ["completion", *tools, *thinking]
