"""Starting a daemon for one answer, and fetching the model that it is to give."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_rt.cli.asking.options import AUTO, DEFAULT
from edge_rt.cli.asking.private_daemon import private_daemon
from edge_rt.cli.asking.rest import board, wait_for_rest
from edge_rt.cli.asking.standalone import Standalone
from edge_rt.cli.local.fetching import announce_starter, fetch, tell_better
from edge_rt.cli.local.model_store import find_store
from edge_rt.cli.screen import note
from edge_rt.cli.words.quantity import size
from edge_rt.models.catalogue import CatalogueEntry
from edge_rt.models.store.store import Store

_SERVE = (sys.executable, "-m", "edge_rt.cli.entry", "serve", "--log-level", "warning")


@dataclass(frozen=True)
class Missing:
    """A model of the catalogue that a store lacks; `chosen`: nobody named it."""

    store: Store
    entry: CatalogueEntry
    chosen: bool

    @property
    def question(self) -> str:
        """What is asked before it is fetched."""
        lacking = "No text model" if self.chosen else f"No model {self.entry.id}"
        return f"{lacking} is installed. Fetch {self.entry.id} ({size(self.entry.bytes)})?"

    def fetch(self) -> None:
        """Fetch it; says which it is, where nobody named it."""
        fetch(self.store, announce_starter(self.store, "--model") if self.chosen else self.entry.id)


@contextmanager
def started(how: Standalone, model: str) -> Generator[Path]:
    """Start a daemon that has `model`, if it may be fetched; yield its socket while it runs."""
    place = find_store(None, how.config)
    store = place.open()
    _have(how, store, model, place.config.models.default)
    options = [
        *("--store", str(store.root.absolute())),
        *(("--config", str(how.config)) if how.config else ()),
        *(("--sensors-root", str(how.sensors_root)) if how.sensors_root else ()),
    ]
    with private_daemon([*_SERVE, *options]) as socket:
        wait_for_rest(lambda: board(socket))
        yield socket


def missing(how: Standalone, model: str, socket: Path) -> Missing | None:
    """What could be fetched for the daemon at `socket`, which lacks `model`; None: nothing.

    Raises Failure if this process has no right to change the daemon's store.
    """
    return _missing(find_store(None, how.config, socket=socket).open(write=True), _id(model))


def _have(how: Standalone, store: Store, model: str, named: str | None) -> None:
    """Have the model, or one at all where none is named, in the store if it may be fetched."""
    id = _id(model)
    default = store.default(named)
    if id is None and default is not None:
        if model == DEFAULT:
            note(f"{default.id} ({size(default.size)}) answers.")
            tell_better(store, default.id, "--model")
    elif id is None or store.find(id) is None:
        found = _missing(store, id)
        if found is not None and how.may(found.question):
            found.fetch()  # else the daemon tells what it lacks


def _missing(store: Store, id: str | None) -> Missing | None:
    entry = store.catalogue.find(id) if id else store.starter()
    return Missing(store, entry, id is None) if entry is not None and entry.pullable else None


def _id(model: str) -> str | None:
    """The model's id without its variant; None where any model will do."""
    id = model.partition("@")[0]
    return None if id in (DEFAULT, AUTO) else id
