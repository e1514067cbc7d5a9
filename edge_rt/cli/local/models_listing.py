"""The models of a store: from its files, or from the daemon where only that may read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge_rt.cli.exits import NoModel
from edge_rt.cli.local.model_store import StorePlace
from edge_rt.cli.local.models_table import facts, models_table, served_facts, served_table
from edge_rt.cli.tables import TextTable
from edge_rt.cli.text import Json


@dataclass(frozen=True)
class Listing:
    """The models of a store, for people and as JSON."""

    table: TextTable
    models: list[dict[str, object]]
    known: set[str]  # ids and digests


def listing(place: StorePlace) -> Listing:
    """Return the models of the store; raises Failure where neither its files nor a daemon tell."""
    return _stored(place) if place.served_by is None else _served(place.served_by)


def served_model(socket: Path, id: str) -> Json:
    """Return what the daemon tells of the model `id`; raises NoModel."""
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        return client.get(f"/v1/models/{quote(id, safe='')}")


def _stored(place: StorePlace) -> Listing:
    store = place.open()
    entries, default = store.entries(), store.default(place.config.models.default)
    known = {entry.id for entry in entries} | {entry.sha256 for entry in entries}
    models = [facts(entry) | {"default": entry == default} for entry in entries]
    return Listing(models_table(entries, default), models, known)


def _served(socket: Path) -> Listing:
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        models: list[Json] = client.get("/v1/models").get("data", [])
        try:
            default = client.get("/v1/models/default").get("id")
        except NoModel:
            default = None
    told = [served_facts(model) | {"default": model["id"] == default} for model in models]
    return Listing(served_table(told), told, {model["id"] for model in models})
