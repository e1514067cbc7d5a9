"""Fetching a model for a command."""

from __future__ import annotations

import os

from edge_rt.cli.bars import bar
from edge_rt.cli.exits import NoModel
from edge_rt.cli.screen import note
from edge_rt.cli.words.quantity import size
from edge_rt.config.paths import Paths
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store


def fetch(store: Store, id: str) -> ModelRecord:
    """Have the catalogue's model `id` in `store`; shows how far it is."""
    from edge_rt.models.pull.pull import pull  # brings an HTTP client

    cache, keep = Paths.detect().cache, bool(os.environ.get("EDGE_RT_CACHE"))
    with bar(f"Fetching {id}", then=f"Checking {id}", lines=True) as progress:
        return pull(id, store, cache=cache, keep=keep, progress=progress, tell=note)


def announce_starter(store: Store, option: str = "edge-rt models pull") -> str:
    """Say which model this machine starts with, and return its id.

    Raises NoModel where the catalogue has none. `option` is what a better one is named with.
    """
    first = store.starter()
    if first is None:
        raise NoModel("the catalogue has no tested model to start with: edge-rt models pull ID")
    note(f"{first.id} ({size(first.bytes)}) is the model to start with on this machine.")
    tell_better(store, first.id, option)
    return first.id


def tell_better(store: Store, id: str, option: str) -> None:
    """Say which larger model of the catalogue would answer better than `id` here, if any."""
    better = store.better(id)
    if better is not None:
        note(f"{better.id} ({size(better.bytes)}) would answer better: {option} {better.id}")
