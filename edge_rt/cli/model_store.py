"""The model store that a command works on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from edge_rt.config.loader import load
from edge_rt.config.paths import Paths
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path, readable=False)


def open_store(named: Path | None, config_file: Path | None, system: Path | None = None) -> Store:
    """The store that is named, else the configured one, the user's own, the system's.

    The user's own counts only when it is there, unless the system's is missing as well.
    """
    config, system = load(config_file).models, system or Paths.system().state
    own = Path(config.store) if config.store else Paths.detect().state / "models"
    if not config.store and not own.exists() and (system / "models").exists():
        own = system / "models"
    return Store(named or own, load_catalogue([Path(path) for path in config.catalogue]))


def with_store(command: Command) -> Command:
    """Give `command` the options that say which store, as its arguments `store` and `config`."""
    config = click.option("--config", type=FILE, help="The configuration to take it from.")
    return click.option("--store", type=FILE, help="The directory of the models.")(config(command))
