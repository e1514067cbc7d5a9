"""edge-rt report: a page that draws how it was."""

from __future__ import annotations

import re
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import Failure
from edge_rt.cli.views.page.page import page
from edge_rt.cli.where import daemon_socket, socket_option

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 86400  # the daemon remembers no more
_LAST = 200  # requests that the page marks


def ago(text: str) -> int:
    """Seconds from "90", "90s", "5m", "1h" or "1d"."""
    found = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", text.strip().lower())
    seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else 0
    if not 1 <= seconds <= _LONGEST_S:
        raise click.BadParameter(f"{text!r} is no time from 1s to 1d, such as 90s, 15m or 1h")
    return seconds


@click.command()
@socket_option
@click.option(
    "--since",
    type=ago,
    metavar="TIME",
    default="1h",
    show_default=True,
    help="How far back: 90s, 15m, 1h; a day at most.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("report.html"),
    show_default=True,
    help='The page to write; "-": to standard output.',
)
def report(socket: Path | None, since: int, out: Path) -> None:
    """Draw power, heat, forecasts, limits and requests over time into an HTML page.

    The page needs no network and no other file. The daemon remembers a day, since its start.
    """
    with Client(daemon_socket(socket)) as client:
        past = client.get(f"/edge/v1/history?since={since}")
        ledger = client.get(f"/edge/v1/ledger?days=2&last={_LAST}")
        status = client.get("/edge/v1/status")
    if not past.get("time"):
        raise Failure("the daemon remembers nothing yet: ask again in a second")
    if str(out) == "-":
        click.echo(page(past, ledger, status), nl=False)
        return
    try:
        out.write_text(page(past, ledger, status), encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {out}: {error.strerror or error}") from error
    click.echo(str(out))
