"""edge-rt sensors: the rails, temperatures, clocks and flags of the board."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path

import click
import msgspec
from rich.console import RenderableType
from rich.live import Live

from edge_rt.cli.client import Client, obstacle_at
from edge_rt.cli.document import figure, view
from edge_rt.cli.exits import NoDaemon
from edge_rt.cli.options import Range, daemon_socket, sensors_root_option, socket_option
from edge_rt.cli.tables import output, put
from edge_rt.cli.text import Json, line, members, note
from edge_rt.config.loader import load

_CHANNELS = ("name", "value", "kind", "reader", "quality", "error", "source")
_SETTLE_S = 1.0  # for one reading: long enough for every reader


def board_reports(root: Path | None, period_s: float) -> Generator[Json, None, None]:
    """Yield reports of the board below `root`, else of the configured one, each `period_s`.

    They are as the daemon tells them. Raises ConfigError where the configuration, which may name
    the board, is faulty.
    """
    from edge_rt.board.monitor import look  # brings every reader

    config = load(None)
    for report in look(config.board, root or Path(config.sensors.root), period_s):
        yield msgspec.to_builtins(report)


def board_view(report: Json) -> RenderableType:
    """Return all of a report of the board; each channel's value has the unit of its kind."""
    channels = [
        one | {"value": figure(line(one.get("kind")), one.get("value"))}
        for one in members(report, "channels")
    ]
    return view(report | {"channels": channels}, channels=_CHANNELS)


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, a line each time.")
@click.option(
    "--watch",
    "watch_s",
    is_flag=False,
    flag_value=1.0,
    type=Range(0.1, 3600),
    metavar="[SECONDS]",
    help="Show it again and again until Ctrl-C: every second, or as often as said.",
)
@sensors_root_option
@click.option("--direct", is_flag=True, help="Read the board here; do not ask the daemon.")
def sensors(
    socket: Path | None,
    as_json: bool,
    watch_s: float | None,
    sensors_root: Path | None,
    direct: bool,
) -> None:
    """Show the rails, temperatures, clocks and flags of the board.

    The daemon is asked for them; where none answers, the board is read by this command. What
    cannot be read is told with its reason.

    Example:
        edge-rt sensors --json
    """
    period_s = watch_s or _SETTLE_S
    if direct or sensors_root is not None:
        reports = board_reports(sensors_root.absolute() if sensors_root else None, period_s)
    else:
        reports = daemon_reports(daemon_socket(socket), period_s)
    with closing(reports):
        if watch_s is None:
            show(next(reports), as_json)
        else:
            with suppress(KeyboardInterrupt):  # the way to end it is no failure
                follow(reports, as_json)


def daemon_reports(socket: Path, period_s: float) -> Generator[Json, None, None]:
    """Yield what the daemon reports every `period_s` seconds.

    Without a daemon what is read here.
    """
    with Client(socket) as client:
        try:
            report = client.get("/edge/v1/board")
        except NoDaemon:
            note(f"{obstacle_at(socket) or f'no daemon at {socket}'}: read directly")
        else:
            while True:
                yield report
                time.sleep(period_s)
                report = client.get("/edge/v1/board")
    with closing(board_reports(None, period_s)) as reports:
        yield from reports


def show(report: Json, as_json: bool) -> None:
    """Print one report."""
    if as_json:
        click.echo(json.dumps(report))
    else:
        put(output(), board_view(report))


def follow(reports: Iterator[Json], as_json: bool) -> None:
    """Show each report: on a terminal in the place of the one before, else after it."""
    console = output()
    if as_json or not console.is_interactive:
        for count, report in enumerate(reports):
            if count and not as_json:
                click.echo()
            show(report, as_json)
        return
    with Live(console=console, auto_refresh=False) as live:
        for report in reports:
            live.update(board_view(report), refresh=True)
