"""What `serve` and `check-config` hold a configuration against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_rt.config.boards import board_faults
from edge_rt.config.key import Key
from edge_rt.config.ledger import ledger_faults
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.config.unix import access_faults, socket_faults
from edge_rt.errors import ConfigError
from edge_rt.models.configured import model_faults
from edge_rt.routing.quality.difficulty.rulebook import load_rulebook


def servable(config: Config, paths: Paths | None = None) -> Iterator[tuple[Key, str]]:
    """Every key with which a daemon could not serve on this machine, with the reason.

    `paths` are those of the installation, None: of whoever asks.
    """
    yield from board_faults(config, paths)
    yield from socket_faults(config)
    yield from access_faults(config)
    yield from ledger_faults(config)
    yield from model_faults(config)
    yield from _rules(config)


def _rules(config: Config) -> Iterator[tuple[Key, str]]:
    if config.router.rules is None:
        return
    try:
        load_rulebook([Path(config.router.rules)])
    except ConfigError as error:
        yield ("router", "rules"), str(error)
