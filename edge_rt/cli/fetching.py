"""Fetching a model for a command."""

from __future__ import annotations

import os

from edge_rt.cli.bars import bar
from edge_rt.cli.exits import NoModel
from edge_rt.cli.quantity import size
from edge_rt.cli.screen import note
from edge_rt.config.paths import Paths
from edge_rt.models.choice import Starter
from edge_rt.models.entry import Entry
from edge_rt.models.store import Store


def fetch(store: Store, id: str) -> Entry:
    """Have the catalogue's model `id` in `store`; shows how far it is."""
    from edge_rt.models.pull import pull  # brings an HTTP client

    cache, keep = Paths.detect().cache, bool(os.environ.get("EDGE_RT_CACHE"))
    with bar(f"Fetching {id}", then=f"Checking {id}", lines=True) as progress:
        return pull(id, store, cache=cache, keep=keep, progress=progress, tell=note)


def starter_of(store: Store) -> Starter:
    """The model to start with on this machine; raises NoModel where the catalogue has none."""
    found = store.starter()
    if found is None:
        raise NoModel("the catalogue has no tested model to start with: edge-rt models pull ID")
    return found


def announce_starter(store: Store) -> str:
    """Say which model this machine starts with, and return its id."""
    starter = starter_of(store)
    first, better = starter.entry, starter.better
    note(f"{first.id} ({size(first.bytes)}) is the model to start with on this machine.")
    if better is not None:
        note(f"{better.id} ({size(better.bytes)}) answers better: edge-rt models pull {better.id}")
    return first.id
