"""The models of a store as documents, by the daemon's word or by its files.

What the files tell has the shape and names of GET /v1/models, with more in `edge`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import cast
from urllib.parse import quote

import msgspec
from rich.console import RenderableType

from edge_rt.cli.document import table, view
from edge_rt.cli.exits import NoModel
from edge_rt.cli.local.model_store import StorePlace, chat_format
from edge_rt.cli.tables import TextTable
from edge_rt.cli.text import Json, member
from edge_rt.config.schema import Models
from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.pair import Pair
from edge_rt.models.record import ModelRecord, writers
from edge_rt.models.store.store import Store

_EDGE = ("kind", "variant", "size_bytes", "parameters", "context", "licence")
_COLUMNS = ("id", *(f"edge.{name}" for name in _EDGE))
_FILES = ("name", "size_bytes", "sha256")


def stored(place: StorePlace) -> list[Json]:
    """Return the models of the store; `default` marks one.

    Raises CommandFailure where neither its files nor a daemon tell.
    """
    if place.served_by is not None:
        return _served(place.served_by)
    store = place.open()
    default = store.default(place.config.models.default)
    return [document(entry) | {"default": entry == default} for entry in store.entries()]


def document(entry: ModelRecord) -> Json:
    """Return what is known of a model."""
    summary = entry.summary
    edge = {
        "kind": entry.kind,
        "backend": entry.backend,
        "variant": entry.label if entry.kind == "language" else None,
        "size_bytes": entry.size,
        "context": summary.context_train or None,
        "has_template": summary.chat_template is not None,
        "architecture": summary.architecture,
        "quantisation": summary.quantisation,
        "parameters": summary.parameters,
        "licence": entry.licence,
        "sha256": entry.sha256,
    }
    return {"id": entry.id, "created": entry.created, "owned_by": entry.owner, "edge": edge}


def details(entry: ModelRecord, store: Store) -> Json:
    """Return what is known of a model of `store` and of others that it answers with."""
    told, there = document(entry), {each.id for each in store.entries()}
    chat = chat_format(entry)
    told["edge"] |= {
        "path": str(entry.path),
        "made_from": _source(entry, store),
        "sampling": entry.sampling.given(),
        "quality": entry.quality and entry.quality.figures,
        "source_quality": entry.source_quality and entry.source_quality.figures,
        "files": [
            {"name": file.name, "size_bytes": file.stamp.size, "sha256": file.sha256}
            for file in entry.files
        ],
        "pairs": [
            msgspec.to_builtins(pair) | {"there": {pair.large, pair.small} <= there}
            for pair in _pairs(store)
            if entry.id in (pair.large, pair.small)
        ],
        **({} if chat is None else {"chat": msgspec.to_builtins(chat)}),
    }
    return told


def _pairs(store: Store) -> list[Pair]:
    """Return the pairs of the catalogue, and those that the sizes of the files make."""
    directory = ModelDirectory(store, Models())
    unlisted = [directory.unlisted(one.id) for one in writers(store.entries())]
    return [*store.catalogue.pairs, *itertools.chain.from_iterable(unlisted)]


def _source(entry: ModelRecord, store: Store) -> str | None:
    """Return the model that `entry` was made from, as people call it."""
    sha256 = entry.source_sha256
    if sha256 is None:
        return None
    known = store.catalogue.of_content(sha256)
    there = [each.id for each in store.entries() if each.sha256 == sha256]
    return next(iter(there), known.id if known else sha256)


def models_table(models: list[Json]) -> TextTable:
    """Return a row for each model, with a star at the default."""
    return table(models, _COLUMNS, marked="default")


def model_view(model: Json) -> RenderableType:
    """Return all of a model; of how it writes calls and thoughts an example."""
    edge = dict(member(model, "edge"))
    if (chat := edge.pop("chat", None)) is not None:
        edge |= _chat(msgspec.convert(chat, ChatFormat))
    told = {name: value for name, value in (model | edge).items() if name != "edge"}
    return view({name: value for name, value in told.items() if value is not None}, files=_FILES)


def _chat(chat: ChatFormat) -> Json:
    calls, thinking = chat.calls, chat.thinking
    told = {"tool_calls": str(calls), "tool_calls_by": calls.source, "unread": calls.unread}
    return told | ({} if thinking is None else {"thoughts": f"{thinking.begin}…{thinking.end}"})


def served(socket: Path, id: str) -> Json:
    """Return what the daemon tells of the model `id`; raises NoModel."""
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        return client.get(f"/v1/models/{quote(id, safe='')}")


def _served(socket: Path) -> list[Json]:
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        models = cast("list[Json]", client.get("/v1/models").get("data", []))
    try:
        default = served(socket, "default").get("id")
    except NoModel:
        default = None
    return [model | {"default": model.get("id") == default} for model in models]
