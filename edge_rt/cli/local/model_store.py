"""The store that commands work on, and how its models write calls and thoughts."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_rt.cli.exits import CommandFailure, NoDaemon, NoModel
from edge_rt.cli.options import ENVIRONMENT, PINNING, daemon_socket, installation, nearest, there
from edge_rt.cli.progress import bar
from edge_rt.cli.text import note, size
from edge_rt.config.loader import load, present
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.core.chat_format import GENERIC, ChatFormat
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.naming import is_hub_name
from edge_rt.models.quantize import faster_format
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.models.templates.process import Templating
from edge_rt.models.templates.task import Template

FILE = click.Path(path_type=Path, readable=False)


def fetch(store: Store, id: str) -> ModelRecord:
    """Fetch the model `id` of the catalogue or the hub into `store`; shows the progress."""
    from edge_rt.models.pull import find_model, pull  # brings an HTTP client

    known = find_model(id, store.catalogue)
    if is_hub_name(id):
        note(f"{known.description}: {size(known.bytes)}, licence {known.licence}")
    cache, keep = Paths.detect().cache, bool(os.environ.get("EDGE_RT_CACHE"))
    with bar(f"Fetching {known.id}", then=f"Checking {known.id}", lines=True) as progress:
        entry = pull(known, store, cache=cache, keep=keep, progress=progress, tell=note)
    if (told := faster_format(entry)) is not None:
        note(told)
    return entry


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


@dataclass(frozen=True)
class StorePlace:
    """A model store: its directory, whose it is, and the configuration that goes with it."""

    root: Path
    owner: str
    config: Config
    socket: Path | None = None  # of the daemon that named it

    def __str__(self) -> str:
        served = "" if self.served_by is None else "; its files are closed to you: sudo shows more"
        return f"Store: {self.root} ({self.owner}{served})"

    @property
    def served_by(self) -> Path | None:
        """The socket of the daemon that tells of the models, if this process may not read them."""
        return None if self.socket is None or self.allows() else self.socket

    def open(self, *, write: bool = False) -> Store:
        """Return the store; raises Failure if this process may not read or `write` it."""
        if not self.allows(write=write):
            raise CommandFailure(
                f"no right to {'change' if write else 'read'} the model store {self.root} "
                f"({self.owner}): use sudo, or name another with --store or STATE_DIRECTORY"
            )
        return self.store()

    def use(self, *, write: bool = False) -> Store:
        """Return the store as `open` does, and say which it is."""
        store = self.open(write=write)
        note(str(self))
        return store

    def allows(self, *, write: bool = False) -> bool:
        """Return whether this process may read or `write` it."""
        mode = os.R_OK | os.X_OK | (os.W_OK if write else 0)
        return os.access(nearest(self.root.absolute()), mode)

    def store(self) -> Store:
        """Return the store and its catalogue, whether or not it can be read."""
        return Store(self.root, load_catalogue(self.config.models.catalogue))


def find_store(
    named: Path | None,
    config_file: Path | None,
    environ: Mapping[str, str] = os.environ,
) -> StorePlace:
    """Find the store that a command means; all commands use this function.

    1. the directory `named` by --store
    2. that of the configuration named by --config
    3. that of this environment, if systemd's STATE_DIRECTORY or CONFIGURATION_DIRECTORY is set
    4. that of the daemon to which the command would speak: the one it names itself, or while it
       does not answer, that of its installation
    """
    if named is not None:
        return StorePlace(named, "--store", load(config_file))
    if config_file is not None:
        return _configured(load(config_file), Paths.detect(environ), f"--config {config_file}")
    pinned = next((name for name in PINNING if environ.get(name)), None)
    if pinned is not None:
        return _configured(_of(Paths.detect(environ)), Paths.detect(environ), pinned)
    named_socket = environ.get(ENVIRONMENT)
    return _of_daemon(environ, Path(named_socket) if named_socket else None)


def _of_daemon(environ: Mapping[str, str], named: Path | None) -> StorePlace:
    paths, told, socket = Paths.detect(environ), None, None
    with suppress(NoDaemon):  # none that could be trusted: the user's own installation counts
        socket = daemon_socket(named)
        paths, told = installation(socket), _told(socket)
        if told is not None and socket not in (paths.socket, Paths.system(environ).socket):
            return StorePlace(told, f"daemon at {socket}", _of(paths), socket)
    owner = "system service" if paths == Paths.system(environ) else "your own"
    found = _configured(_of(paths), paths, owner)
    return found if told is None else StorePlace(told, owner, found.config, socket)


@contextmanager
def default_told(store: Store, named: str | None) -> Generator[None]:
    """Say after the block which model is the default now; the configuration may have `named` it."""
    before = store.default(named)
    yield
    now = store.explain_default(named)
    if now.entry is not None and (before is None or before.id == now.entry.id):
        note(f"{now.entry.id} is the default model.")
    elif now.entry is not None and before is not None:
        note(
            f"{now.entry.id} is the default model now, for {now.why}. To have {before.id} answer "
            f"as before: edge-rt models default {before.id}"
        )


def with_store(command: Callable[..., Any]) -> Callable[..., None]:
    """Give `command` the options that say which store; its argument `place` is that."""

    @click.option("--config", type=FILE, help="The configuration to take it from.")
    @click.option("--store", type=FILE, help="The directory of the models.")
    @functools.wraps(command)
    def call(*args: Any, store: Path | None, config: Path | None, **others: Any) -> None:
        command(*args, place=find_store(store, config), **others)

    return call


def _configured(config: Config, paths: Paths, owner: str) -> StorePlace:
    store = config.models.store
    return StorePlace(Path(store) if store else paths.state / "models", owner, config)


def _of(paths: Paths) -> Config:
    """Return the configuration of an installation."""
    return load(paths.config_file) if present(paths.config_file) else Config()


def _told(socket: Path) -> Path | None:
    """Return the store of the daemon at `socket`; None while none answers."""
    if not there(socket):
        return None
    from edge_rt.cli.client import Client  # brings an HTTP client

    with Client(socket) as client:
        store = client.store()
    return None if store is None else Path(store)


def chat_format(entry: ModelRecord) -> ChatFormat | None:
    """Read the format off a model's chat template; None for a model without one."""
    if entry.summary.chat_template is None:
        return None
    return asyncio.run(_found(entry))


async def _found(entry: ModelRecord) -> ChatFormat:
    told = entry.summary
    texts = told.chat_template, told.bos_token, told.eos_token
    template = Template(*texts, told.control_tokens or (), "")
    templating = Templating()
    try:
        return await templating.analyse(template)
    except (RequestError, ModelFileError):
        return ChatFormat(GENERIC)
    finally:
        await templating.close()
