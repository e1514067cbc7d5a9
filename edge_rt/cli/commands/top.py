"""edge-rt top: the board and the daemon, live."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from queue import Empty

import click
from rich.console import Console, Group
from rich.live import Live

from edge_rt.cli.client import Client
from edge_rt.cli.ranges import Range
from edge_rt.cli.views.top.keyboard import Wakes, awake
from edge_rt.cli.views.top.looks import Look, Looker, look
from edge_rt.cli.views.top.trend import Trend
from edge_rt.cli.views.top.view import picture
from edge_rt.cli.where import daemon_socket, socket_option
from edge_rt.cli.words.paper import terminal

_LINES = 24  # where no terminal says how many it has
_HINT = "q leaves"


@click.command()
@socket_option
@click.option(
    "--period",
    "period_s",
    type=Range(0.2, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Show one picture, of one period, and end.")
def top(socket: Path | None, period_s: float, once: bool) -> None:
    """Watch power, heat, clocks, speed and what answers cost.

    q or Ctrl-C leaves. Where the daemon goes away it is waited for. Where standard output is no
    terminal that can be redrawn, one picture is shown, as with --once.
    """
    place = daemon_socket(socket)
    with Client(place) as client:
        first = look(client)
    if first.gone and first.trouble is not None:
        raise first.trouble
    console = terminal()
    if once or not console.is_interactive:
        _print(first, place, console, period_s)
    else:
        with suppress(KeyboardInterrupt):  # the way to leave is no failure
            View(first, console).run(place, period_s)


def _print(
    first: Look,
    socket: Path,
    console: Console,
    period_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """One picture after a second look, since no speed shows in a single one."""
    trend = Trend()
    trend.add(first.time_s, first.status, first.board)
    sleep(period_s)
    with Client(socket) as client:
        last = look(client)
    if last.gone and last.trouble is not None:
        raise last.trouble
    trend.add(last.time_s, last.status, last.board)
    height = console.height - 1 if console.is_terminal else _LINES
    for text in picture(last, trend, console.width, height):
        console.print(text, crop=False)


class View:
    """The picture on the terminal, made anew at each look and each new size."""

    def __init__(self, first: Look, console: Console) -> None:
        self._console = console
        self._trend = Trend()
        self._take(first)

    def run(self, socket: Path, period_s: float) -> None:
        """Show it until a key says to leave."""
        with awake() as wakes, closing(Looker(socket, period_s, wakes.news)) as looker:
            looker.start()
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                self._loop(live, wakes, looker)

    def _loop(self, live: Live, wakes: Wakes, looker: Looker) -> None:
        leaving = False
        while not leaving:
            with suppress(Empty):
                while True:
                    self._take(looker.looks.get_nowait())
            size = self._console.size
            lines = picture(self._look, self._trend, size.width, size.height, hint=_HINT)
            live.update(Group(*lines), refresh=True)
            leaving = bool(set(wakes.wait()) & set("qQ"))

    def _take(self, one: Look) -> None:
        self._look = one
        if one.gone:
            self._trend.gone()
        else:
            self._trend.add(one.time_s, one.status, one.board)
