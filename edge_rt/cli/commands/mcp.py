"""edge-rt mcp: the daemon as a server of the Model Context Protocol."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import daemon_socket, socket_option


@click.command()
@socket_option
@click.option("--app", default="mcp", show_default=True, help="The application in the ledger.")
def mcp(socket: Path | None, app: str) -> None:
    """Serve the Model Context Protocol on standard input and output.

    A client of that protocol, such as an editor or an agent, starts this command and gets the tools
    `ask`, `plan`, `status`, `sensors` and `set_budget`, and the ledger and traces as resources. It
    may do what the user may who runs it. The package `mcp` is needed, the extra `mcp` of edge_rt.

    Example:
        edge-rt mcp --app editor
    """
    place = daemon_socket(socket)
    try:
        from edge_rt.cli.mcp_server import McpTools
    except ModuleNotFoundError as error:
        raise CommandFailure(
            f"edge-rt mcp needs the package {error.name}, which the extra `mcp` of edge_rt has: "
            f"{sys.executable} -m pip install 'edge_rt[mcp]'"
        ) from error
    McpTools(lambda: Client(place, app=app)).server().run("stdio")
