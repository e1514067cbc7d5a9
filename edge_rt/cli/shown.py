"""Commands that show one document of the daemon."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.tables import put_document
from edge_rt.cli.text import Json


def shown(
    view: Callable[[Json], RenderableType],
) -> Callable[[Callable[..., Json]], Callable[..., None]]:
    """Let a command, with --socket and --json, show what a function gets of the daemon's client."""

    def shows(get: Callable[..., Json]) -> Callable[..., None]:
        @socket_option
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        @functools.wraps(get)
        def command(socket: Path | None, as_json: bool, **options: Any) -> None:
            with Client(daemon_socket(socket)) as client:
                found = get(client, **options)
            put_document(found, view, as_json=as_json)

        return command

    return shows
