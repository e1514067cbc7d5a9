"""edge-rt models: what is in the model store; works without the daemon."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge_rt.cli.bars import bar
from edge_rt.cli.clean import clean
from edge_rt.cli.exits import Failure
from edge_rt.cli.quantity import size
from edge_rt.cli.screen import note
from edge_rt.config.loader import load
from edge_rt.config.paths import Paths
from edge_rt.errors import ModelFileError
from edge_rt.models.catalogue import CatalogueEntry, load_catalogue
from edge_rt.models.entry import Entry
from edge_rt.models.store import Store

SYSTEM = Paths.detect({}, uid=0).state
Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, readable=False)


def open_store(named: Path | None, config_file: Path | None, system: Path = SYSTEM) -> Store:
    """The store that is named, else the configured one, the user's own, the system's.

    The user's own counts only when it is there, unless the system's is missing as well.
    """
    config = load(config_file).models
    own = Path(config.store) if config.store else Paths.detect().state / "models"
    if not config.store and not own.exists() and (system / "models").exists():
        own = system / "models"
    return Store(named or own, load_catalogue([Path(path) for path in config.catalogue]))


def _with_store(command: Command) -> Command:
    """Give `command` the options that say which store, as its arguments `store` and `config`."""
    config = click.option("--config", type=_FILE, help="The configuration to take it from.")
    return click.option("--store", type=_FILE, help="The directory of the models.")(config(command))


@click.group()
def models() -> None:
    """List, fetch, check and remove models.

    These commands work on the directory of the models; a running daemon sees what they change.
    """


@models.command("list")
@_with_store
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_models(store: Path | None, config: Path | None, as_json: bool) -> None:
    """Show the models that are there, and those that can be pulled."""
    place = open_store(store, config)
    entries, default = place.entries(), place.default(load(config).models.default)
    there = {entry.id for entry in entries} | {entry.sha256 for entry in entries}
    known = [e for e in place.catalogue if e.pullable and not {e.id, e.sha256} & there]
    if as_json:
        models = [_facts(entry) | {"default": entry == default} for entry in entries]
        pullable = [_catalogue_facts(entry) for entry in known]
        click.echo(json.dumps({"store": str(place.root), "models": models, "pullable": pullable}))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)  # for whatever reads it, nothing is cut
    console.print(_table(entries, default) if entries else Text(f"No models in {place.root}."))
    if known:
        console.print(Text("\nedge-rt models pull can fetch:"))
        console.print(_catalogue_table(known))


@models.command()
@click.argument("id")
@_with_store
def pull(id: str, store: Path | None, config: Path | None) -> None:
    """Fetch the model ID of the catalogue.

    A file in the cache that has the right content is used instead. Where EDGE_RT_CACHE names a
    cache, what is fetched is left there too.
    """
    place = open_store(store, config)
    from edge_rt.models.pull import pull as fetch  # brings an HTTP client

    cache, keep = Paths.detect().cache, bool(os.environ.get("EDGE_RT_CACHE"))
    with bar(f"Fetching {id}", then=f"Checking {id}") as progress:
        entry = fetch(id, place, cache=cache, keep=keep, progress=progress, tell=note)
    note(f"{entry.id} is in the store: {entry.path}")


@models.command()
@click.argument("file", type=_FILE)
@click.option("--id", help="What to call it; made from the name of the file otherwise.")
@click.option("--move", is_flag=True, help="Do not leave the file where it is.")
@_with_store
def add(file: Path, id: str | None, move: bool, store: Path | None, config: Path | None) -> None:
    """Take in FILE, a GGUF model. Prints the id under which it is there."""
    place = open_store(store, config)
    with bar(f"Adding {file.name}") as progress:
        entry = place.add(file, id, move=move, progress=progress)
    click.echo(entry.id)


@models.command()
@click.argument("id", required=False)
@_with_store
def verify(id: str | None, store: Path | None, config: Path | None) -> None:
    """Read the model ID, or every model, and compare its sha256.

    Ends with exit code 1 when the content of one is not what it was.
    """
    place = open_store(store, config)
    bad = 0
    for entry in [place.get(id)] if id else place.entries():
        try:
            with bar(f"Checking {entry.id}") as progress:
                place.verify(entry.id, progress)
            click.echo(f"{entry.id}: ok")
        except ModelFileError as error:
            bad += 1
            click.echo(clean(f"{entry.id}: {error}"))
    if bad:
        raise Failure(f"{bad} of the models cannot be used")


@models.command()
@click.argument("id")
@_with_store
def remove(id: str, store: Path | None, config: Path | None) -> None:
    """Delete the model ID. A daemon that has it loaded goes on until it unloads it."""
    open_store(store, config).remove(id)
    note(f"removed {id}")


def _facts(entry: Entry) -> dict[str, object]:
    summary = entry.summary
    return {
        "id": entry.id,
        "path": str(entry.path),
        "size_bytes": entry.size,
        "sha256": entry.sha256,
        "created": entry.created,
        "licence": entry.licence,
        "owner": entry.owner,
        "backend": entry.backend,
        "sampling": entry.sampling.given(),
        "architecture": summary.architecture,
        "quantisation": summary.quantisation,
        "parameters": summary.parameters,
        "context_train": summary.context_train,
        "has_template": summary.chat_template is not None,
    }


def _catalogue_facts(entry: CatalogueEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "description": entry.description,
        "licence": entry.licence,
        "size_bytes": entry.bytes,
    }


def _table(entries: list[Entry], default: Entry | None) -> Table:
    rows = [
        (
            entry.id,
            size(entry.size),
            _count(entry.summary.parameters),
            entry.summary.quantisation,
            str(entry.summary.context_train),
            entry.licence,
            "default" if entry == default else "",
        )
        for entry in entries
    ]
    return _columns(("MODEL", "SIZE", "PARAMETERS", "FORMAT", "CONTEXT", "LICENCE", ""), rows)


def _catalogue_table(entries: list[CatalogueEntry]) -> Table:
    rows = [(e.id, size(e.bytes), e.licence, e.description) for e in entries]
    return _columns(("MODEL", "SIZE", "LICENCE", ""), rows)


def _columns(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(*titles, box=None, pad_edge=False, header_style="dim")
    for row in rows:
        table.add_row(*(Text(clean(value)) for value in row))  # what files say is never markup
    return table


def _count(parameters: int) -> str:
    """A number of parameters as people say it."""
    return f"{parameters / 1e9:.3g} B" if parameters >= 1e9 else f"{parameters / 1e6:.3g} M"
