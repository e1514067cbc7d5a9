"""edge-rt open: the daemon's page in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import daemon_socket, installation, socket_option
from edge_rt.config.checks import Address
from edge_rt.config.loader import load, present

_ANY = ("0.0.0.0", "::", "")  # every address of this machine
_NO_TCP = (
    "the page needs TCP, and the configuration names no address: set `listen: "
    '"127.0.0.1:8080"` under `tcp:` in {file} and restart the daemon, or run it with --listen, and '
    "it says at its start where the page is. A page for other machines needs a key as well: "
    "edge-rt key makes one"
)


def page_url(listen: str) -> str:
    """Return the URL of the page at an address of `tcp.listen`."""
    address = Address.parse(listen)
    host = "localhost" if address.host in _ANY else address.host
    return f"http://{f'[{host}]' if ':' in host else host}:{address.port}/"


@click.command()
@socket_option
@click.option("--config", type=click.Path(path_type=Path), help="The daemon's configuration.")
@click.option("--print", "only_print", is_flag=True, help="Start no browser.")
def open(socket: Path | None, config: Path | None, only_print: bool) -> None:
    """Open the page for people in a browser, and print its URL.

    The page shows what the board draws, how warm it is, the models in memory and the latest
    requests; it has a place to ask, and the caps of the budget. The daemon serves it over TCP, at
    tcp.listen of its configuration.

    Example:
        edge-rt open --print
    """
    file = config or installation(daemon_socket(socket)).config_file
    addresses = load(file).tcp.addresses if present(file) else []
    if not addresses:
        raise CommandFailure(_NO_TCP.format(file=file))
    url = page_url(addresses[0])
    click.echo(url)
    # A board without a desktop has no browser, but the URL.
    if not only_print and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        import webbrowser

        webbrowser.open(url)
