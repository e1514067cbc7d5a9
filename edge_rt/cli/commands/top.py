"""edge-rt top: the board and the daemon, live in the terminal."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from edge_rt.cli.client import Client
from edge_rt.cli.commands.fleet import fleet_of, fleet_table
from edge_rt.cli.commands.report import look
from edge_rt.cli.document import caps, pick, view
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import Range, daemon_socket, socket_option
from edge_rt.cli.tables import output, put, terminal
from edge_rt.cli.text import Json

_SHOWN = (
    *("board", "simulated", "power_w", "power_quality", "temp_c", "throttled", "budget", "guard"),
    *("forecast_c", "why", "warnings", "running", "waiting", "tokens_per_s", "today_j"),
    *("models", "requests"),
)
_MODELS = ("id", "size_bytes", "gpu_bytes", "context", "leaves_in_s")
_REQUESTS = ("ended", "model", "tokens", "seconds", "energy_j", "quality", "status")


def picture(seen: Json) -> RenderableType:
    """Return what matters most of a PageSnapshot, its newest requests last."""
    shown = pick(seen | {"budget": ", ".join(caps(seen)) or "none"}, _SHOWN)
    return view(shown, models=_MODELS, requests=_REQUESTS)


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
@click.option("--once", is_flag=True, help="Show one picture and end.")
@click.option(
    "--fleet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Watch the boards that this configuration of LiteLLM's proxy names.",
)
def top(socket: Path | None, period_s: float, once: bool, fleet: Path | None) -> None:
    """Watch power, heat, speed and what answers cost.

    q or Ctrl-C leaves. Where the daemon goes away it is waited for. Where standard output is no
    terminal that can be redrawn, one picture is shown, as with --once. `edge-rt sensors --watch`
    shows every rail, temperature and clock.

    Example:
        edge-rt top
    """
    period = None if once else period_s
    if fleet is not None:
        boards = fleet_of(fleet)
        _watch(lambda: fleet_table(boards), period)
        return
    with Client(daemon_socket(socket)) as client:
        _watch(lambda: picture(look(client)[1]), period)


def _watch(draw: Callable[[], RenderableType], period_s: float | None) -> None:
    """Show what `draw` makes, again each period, until a key or the user ends it; None: once."""
    console, shown = terminal(), draw()
    if period_s is None or not console.is_interactive:
        put(output(), shown)
        return
    with suppress(KeyboardInterrupt):  # the way to leave is no failure
        _live(console, shown, draw, period_s)


def _live(
    console: Console, shown: RenderableType, draw: Callable[[], RenderableType], period_s: float
) -> None:
    with (
        _keys() as pressed,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(shown, refresh=True)
            if set(pressed(period_s)) & set("qQ"):
                return
            try:
                shown = draw()
            except CommandFailure as failure:
                shown = Text(f"{failure.message}\nWaiting for it.", "bold red")


@contextmanager
def _keys() -> Generator[Callable[[float], str]]:
    """Yield a function that waits so many seconds for keys; SIGTERM puts the terminal back, too."""
    signal.signal(signal.SIGTERM, lambda got, _: sys.exit(128 + got))
    keys = [sys.stdin.fileno()] if sys.stdin is not None and sys.stdin.isatty() else []

    def pressed(wait_s: float) -> str:
        if not select.select(keys, [], [], wait_s)[0]:
            return ""
        # Nothing to read means that the terminal is gone.
        return os.read(keys[0], 4096).decode("latin-1") or "q"

    before = [termios.tcgetattr(key) for key in keys]
    try:
        for key in keys:
            tty.setcbreak(key)
        yield pressed
    finally:
        for key, mode in zip(keys, before, strict=True):
            termios.tcsetattr(key, termios.TCSADRAIN, mode)
