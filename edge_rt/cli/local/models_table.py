"""What `edge-rt models` prints: the models of a store, by its files or by the daemon's word."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from edge_rt.cli.exits import NoModel
from edge_rt.cli.local.model_store import StorePlace, chat_rows
from edge_rt.cli.tables import Column, PairTable, TextTable
from edge_rt.cli.text import Json, as_set, size
from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.catalogue import CatalogueEntry, EvaluatedQuality
from edge_rt.models.pair import SINGLE, Pair
from edge_rt.models.record import ModelRecord, label_of

_UNKNOWN = "-"
_STORED = (
    Column("model", text=True, kept=True),
    Column("kind", text=True),
    Column("variant", text=True, kept=True),
    Column("size", kept=True),
    Column("parameters"),
    Column("context"),
    Column("licence", text=True),
    Column("", text=True, kept=True),
)
_PULLABLE = (
    Column("model", text=True, kept=True),
    Column("size", kept=True),
    Column("licence", text=True),
    Column("", text=True),
)


def facts(entry: ModelRecord, chat: ChatFormat | None = None) -> dict[str, object]:
    """All of a model for JSON; `chat` is how it writes calls and thoughts."""
    summary = entry.summary
    return {
        "id": entry.id,
        "kind": entry.kind,
        "backend": entry.backend,
        "path": str(entry.path),
        "files": [
            {"name": file.path.name, "size_bytes": file.size, "sha256": file.sha256}
            for file in entry.files
        ],
        "size_bytes": entry.size,
        "sha256": entry.sha256,
        "source_sha256": entry.source_sha256,
        "created": entry.created,
        "licence": entry.licence,
        "owner": entry.owner,
        "sampling": entry.sampling.given(),
        "quality": entry.quality and entry.quality.figures,
        "source_quality": entry.source_quality and entry.source_quality.figures,
        "architecture": summary.architecture,
        "quantisation": summary.quantisation,
        "variant": _label(entry),
        "parameters": summary.parameters,
        "context_train": summary.context_train,
        "has_template": summary.chat_template is not None,
        **({} if chat is None else {"chat": msgspec.to_builtins(chat)}),
    }


def served_facts(model: Json) -> dict[str, object]:
    """What the daemon tells of a model, by the names of `facts`."""
    edge = model["edge"]
    same = ("kind", "backend", "size_bytes", "has_template", "variant")
    told = {"id": model["id"], "created": model["created"], "owner": model["owned_by"]}
    told |= {name: edge[name] for name in same} | {"context": edge["context"]}
    return told | ({"chat": edge["chat"]} if "chat" in edge else {})


def pair_facts(pair: Pair, there: Collection[str]) -> dict[str, object]:
    """What is known of two models, for JSON; `there` are the ids of all in the store."""
    return msgspec.to_builtins(pair) | {
        "gate": pair.gate,
        "there": {pair.large, pair.small} <= {*there},
    }


def catalogue_facts(entry: CatalogueEntry) -> dict[str, object]:
    """What can be pulled, for JSON."""
    return {
        "id": entry.id,
        "description": entry.description,
        "licence": entry.licence,
        "size_bytes": entry.bytes,
    }


def models_table(models: Sequence[Json]) -> TextTable:
    """A row for each model: those of `facts` or `served_facts`, and whether it is the default."""
    return TextTable(_STORED, map(_row, models))


def _row(model: Json) -> Iterator[str]:
    yield model["id"]
    yield model["kind"]
    told = model.get("quantisation")
    yield model["variant"] or ("" if told is None else label_of(model["backend"], told))
    yield size(model["size_bytes"])
    yield _count(model["parameters"]) if "parameters" in model else ""
    yield str(model.get("context_train") or model.get("context") or _UNKNOWN)
    yield model.get("licence", "")
    yield "default" if model["default"] else ""


def served_pairs(model: Json) -> PairTable:
    """One model as the daemon tells of it, a line for each thing to know."""
    rows = [
        ("model", model["id"]),
        ("kind", model["kind"]),
        ("backend", model["backend"]),
        ("pinned as", f"{model['id']}@{model['variant']}" if model["variant"] else ""),
        ("context", f"{model['context']} tokens" if model["context"] else ""),
        ("owner", model["owner"]),
        ("size", size(model["size_bytes"])),
        *chat_rows(msgspec.convert(model["chat"], ChatFormat) if "chat" in model else None),
    ]
    return PairTable(row for row in rows if row[1])


def catalogue_table(entries: Sequence[CatalogueEntry]) -> TextTable:
    """The models that can be pulled, a row each."""
    rows = [(e.id, size(e.bytes), e.licence, e.description) for e in entries]
    return TextTable(_PULLABLE, rows)


def model_table(
    entry: ModelRecord,
    source: str | None,
    pairs: Sequence[Pair],
    there: Collection[str],
    chat: ChatFormat | None = None,
) -> PairTable:
    """One model, a line for each thing to know; `source` names the model it was made from.

    `pairs` are those that it is one of, `there` the ids of all models in the store, and `chat` is
    how it writes calls and thoughts.
    """
    summary = entry.summary
    rows = [
        ("model", entry.id),
        ("kind", entry.kind),
        ("backend", entry.backend),
        ("architecture", summary.architecture),
        ("format", summary.quantisation),
        ("pinned as", _pin(entry)),
        ("parameters", _count(summary.parameters)),
        ("context", f"{summary.context_train} tokens" if summary.context_train else _UNKNOWN),
        ("vectors", f"{summary.embedding} wide, pooling {summary.pooling or 'as the file says'}"),
        ("licence", entry.licence),
        ("owner", entry.owner),
        *chat_rows(chat),
        ("made from", source or ""),
        ("quality", _figures(entry.quality)),
        ("its source's", _figures(entry.source_quality)),
        *(_pair(pair, entry.id, there) for pair in pairs),
        ("sha256", entry.sha256),
        ("folder", str(entry.path.parent)),
    ]
    if entry.kind != "embedding":
        rows = [row for row in rows if row[0] != "vectors"]
    rows += [("file", f"{f.path.name}, {size(f.size)}, sha256 {f.sha256}") for f in entry.files]
    return PairTable(row for row in rows if row[1])


def _label(entry: ModelRecord) -> str | None:
    """What a request may pin; None where there is nothing to choose."""
    return entry.label if entry.kind == "language" else None


def _pin(entry: ModelRecord) -> str:
    label = _label(entry)
    return "" if label is None else f"{entry.id}@{label}"


def _pair(pair: Pair, id: str, there: Collection[str]) -> tuple[str, str]:
    """The other model, and how the two are asked."""
    title, other = ("partner", pair.small) if pair.large == id else ("partner of", pair.large)
    absent = "" if other in there else " (not in the store)"
    usual = pair.mode or SINGLE
    return title, f"{other}{absent}: {as_set(usual, pair)}"


def _figures(quality: EvaluatedQuality | None) -> str:
    if quality is None:
        return ""
    figures = ", ".join(f"{name} {figure:g}" for name, figure in quality.figures.items())
    return f"{figures} ({quality.source})" if quality.source else figures


def _count(parameters: int) -> str:
    """A number of parameters as people say it."""
    if parameters < 1e5:
        return f"{parameters}"
    return f"{parameters / 1e9:.3g} B" if parameters >= 1e9 else f"{parameters / 1e6:.3g} M"


def listing(place: StorePlace) -> tuple[list[Json], set[str]]:
    """Return the models of the store, and their ids and digests.

    Raises CommandFailure where neither its files nor a daemon tell.
    """
    if place.served_by is not None:
        served = _served(place.served_by)
        return served, {model["id"] for model in served}
    store = place.open()
    entries, default = store.entries(), store.default(place.config.models.default)
    known = {entry.id for entry in entries} | {entry.sha256 for entry in entries}
    return [facts(entry) | {"default": entry == default} for entry in entries], known


def served_model(socket: Path, id: str) -> Json:
    """Return what the daemon tells of the model `id`; raises NoModel."""
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        return client.get(f"/v1/models/{quote(id, safe='')}")


def _served(socket: Path) -> list[Json]:
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        models: list[Json] = client.get("/v1/models").get("data", [])
        try:
            default = client.get("/v1/models/default").get("id")
        except NoModel:
            default = None
    return [served_facts(model) | {"default": model["id"] == default} for model in models]
