"""edge-rt models: what is in the model store; works without the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from edge_rt.cli.document import table
from edge_rt.cli.exits import BadOption, CommandFailure, NoModel
from edge_rt.cli.local.model_documents import details, model_view, models_table, served, stored
from edge_rt.cli.local.model_store import (
    FILE,
    StorePlace,
    announce_starter,
    default_told,
    fetch,
    with_store,
)
from edge_rt.cli.local.models_convert import convert_model
from edge_rt.cli.local.models_suggest import suggest_models
from edge_rt.cli.progress import bar
from edge_rt.cli.tables import output, put, put_document
from edge_rt.cli.text import clean, note
from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.card import Description
from edge_rt.models.store.store import Store


@click.group()
def models() -> None:
    """List, fetch, check and remove models.

    These commands work on the directory of the models; a running daemon sees what they change.
    Only `pull` uses the network.
    """


models.add_command(convert_model)
models.add_command(suggest_models)


@models.command("list")
@with_store
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_models(place: StorePlace, as_json: bool) -> None:
    """Show the models that are there, and those that can be pulled.

    Example:
        edge-rt models list --json
    """
    listed = stored(place)
    there = {name for one in listed for name in (one["id"], one["edge"].get("sha256"))}
    pullable = [
        {"id": e.id, "size_bytes": e.bytes, "licence": e.licence, "description": e.description}
        for e in place.store().catalogue
        if e.pullable and not {e.id, e.sha256} & there
    ]
    if as_json:
        told = {"store": str(place.root), "models": listed, "pullable": pullable}
        click.echo(json.dumps(told))
        return
    console = output()
    put(console, models_table(listed) if listed else Text(f"No models in {place.root}."))
    if pullable:
        put(console, Text("\nedge-rt models pull can fetch:"))
        put(console, table(pullable))
    note(str(place))


@models.command()
@click.argument("id", required=False)
@with_store
def pull(id: str | None, place: StorePlace) -> None:
    """Fetch the model ID of the catalogue over the network, or one of the hub.

    A model of the hub is named hf:OWNER/REPOSITORY or hf.co/OWNER/REPOSITORY; its
    quantisation or file may follow after a colon. A projector in the repository comes with it,
    and the model sees images. The licence is shown and kept. HF_TOKEN opens models whose licence
    has to be accepted, and HF_ENDPOINT names another hub.

    Without ID, fetch the model to start with: the best one of up to 512 MB that fits this
    machine's memory.

    A file in the cache that has the right content is used instead. If EDGE_RT_CACHE names a
    cache, fetched files are left there too.

    Examples:
        edge-rt models pull
        edge-rt models pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M
    """
    if id == "":  # of a variable that is not set, perhaps: nobody asked for what that would fetch
        raise BadOption("ID is empty: name a model, or leave ID out for the one to start with")
    store = place.use(write=True)
    with default_told(store, place.config.models.default):
        entry = fetch(store, id or announce_starter(store))
        note(f"{entry.id} is in the store: {entry.path}")


@models.command("default")
@click.argument("id", required=False)
@with_store
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def default_model(id: str | None, place: StorePlace, as_json: bool) -> None:
    """Make the model ID the one that answers when a request names none.

    Without ID, print the default model, and why it is that one.

    Example:
        edge-rt models default smollm2-135m-instruct
    """
    if id is None and place.served_by is not None:
        _show_default(served(place.served_by, "default")["id"], None, as_json)
        note(str(place))
        return
    store, named = place.use(write=id is not None), place.config.models.default
    if id is not None:
        store.set_default(id)
        if named not in (None, id):
            note(f"models.default of the configuration names {named}, which counts first")
    default = store.explain_default(named)
    if default.entry is None:
        why = f"models.default names {named}, which is not there or writes no text"
        why = "run edge-rt models pull" if named is None else why
        raise NoModel(f"{place.root} has no default model: {why}")
    _show_default(default.entry.id, default.why, as_json)


def _show_default(id: str, why: str | None, as_json: bool) -> None:
    """Print the default model; the daemon does not tell why it is that one."""
    click.echo(json.dumps({"id": id, "why": why}) if as_json else id)
    if why is not None and not as_json:
        note(why)


@models.command()
@click.argument("source", metavar="FILE|FOLDER", type=FILE)
@click.option("--id", help="Id of the model; else it is made from the name of the file.")
@click.option("--mmproj", type=FILE, help="Projector with which a GGUF model sees images.")
@click.option("--move", is_flag=True, help="Do not leave the files where they are.")
@click.option(
    "--pooling",
    type=click.Choice(["mean", "cls", "last", "rank"]),
    help="How the vectors of a text's tokens become one, or rank: a cross-encoder.",
)
@with_store
def add(
    source: Path, id: str | None, mmproj: Path | None, move: bool, place: StorePlace, **said: Any
) -> None:
    """Take in a model: a GGUF file or a folder with an ONNX model. Prints the id it has now.

    A folder holds model.onnx, the files with its weights, tokenizer.json, and its card model.json.
    An embedding model without a card gets one, for which --pooling is needed.

    Example:
        edge-rt models add ./my-model.gguf --id my-model
    """
    store, named = place.use(write=True), place.config.models.default
    with default_told(store, named), bar(f"Adding {source.name}") as progress:
        entry = store.add(
            source, id, move=move, projector=mmproj, said=Description(**said), progress=progress
        )
    click.echo(entry.id)


@models.command()
@click.argument("id")
@with_store
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(id: str, place: StorePlace, as_json: bool) -> None:
    """Show all that is known of the model ID, and of others that it answers with.

    Example:
        edge-rt models show smollm2-135m-instruct
    """
    if place.served_by is not None:
        told = served(place.served_by, id)
    else:
        store = place.open()
        told = details(store.get(id), store)
    note(str(place))
    put_document(told, model_view, as_json=as_json)


@models.command()
@click.argument("id")
@click.argument("format")
@click.option("--id", "new_id", help="Id of the new model; else the old id and the format.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Cores to use; all otherwise.")
@with_store
def quantize(
    id: str,
    format: str,
    new_id: str | None,
    threads: int | None,
    place: StorePlace,
) -> None:
    """Have the GGUF model ID once more in another number format, such as Q4_0 or Q8_0.

    Which one is fastest depends on the board. What was rounded once is rounded again, so best
    begin with an exact model. Prints the id of the new one.

    Example:
        edge-rt models quantize my-model q4_k_m
    """
    store = place.use(write=True)
    from edge_rt.models.quantize import quantize as requantize

    with bar(f"Quantizing {id}", then="Taking it in") as progress:
        entry = requantize(id, format, store, new_id=new_id, threads=threads, progress=progress)
    click.echo(entry.id)


@models.command()
@click.argument("id", required=False)
@with_store
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(id: str | None, place: StorePlace, as_json: bool) -> None:
    """Read the model ID, or every model, and compare its sha256.

    Ends with exit code 1 when the content of a model has changed.

    Example:
        edge-rt models verify smollm2-135m-instruct
    """
    store = place.use()
    faults: dict[str, str | None] = {}
    for entry in [store.get(id)] if id else store.entries():
        faults[entry.id] = _fault(store, entry.id)
        if not as_json:
            click.echo(clean(f"{entry.id}: {faults[entry.id] or 'ok'}"))
    if as_json:
        told = [{"id": each, "ok": why is None, "why": why} for each, why in faults.items()]
        click.echo(json.dumps({"models": told}))
    bad = sum(why is not None for why in faults.values())
    if bad:
        raise CommandFailure(f"{bad} of the models cannot be used")


def _fault(store: Store, id: str) -> str | None:
    """Read a model; return what is wrong with it, None: nothing."""
    try:
        with bar(f"Checking {id}") as progress:
            store.verify(id, progress)
    except ModelFileError as error:
        return str(error)
    return None


@models.command()
@click.argument("id")
@with_store
def remove(id: str, place: StorePlace) -> None:
    """Delete the model ID. A daemon that has it loaded goes on until it unloads it.

    Example:
        edge-rt models remove smollm2-135m-instruct
    """
    place.use(write=True).remove(id)
    note(f"removed {id}")
