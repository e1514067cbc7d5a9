"""edge-rt top and edge-rt open: the board and the daemon, live, in the terminal or in a browser."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import Empty
from socket import socketpair
from types import FrameType

import click
from rich.console import Console, Group
from rich.live import Live

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import Range, daemon_socket, installation, socket_option
from edge_rt.cli.tables import terminal
from edge_rt.cli.views.looks import DaemonPoller, DaemonSnapshot, Trend, look
from edge_rt.cli.views.picture import picture
from edge_rt.config.checks import Address
from edge_rt.config.loader import load, present

_TERMINATED = 128 + signal.SIGTERM


class Wakes:
    """Waits for keys of the terminal `keys`, None for no terminal, and for `news`."""

    def __init__(self, keys: int | None) -> None:
        self._keys = keys
        # Unlike a pipe's bare numbers, a closed socket cannot be mistaken for another file.
        self._bell, self._button = socketpair()
        self._button.setblocking(False)

    def close(self) -> None:
        """Close both ends of the bell."""
        self._bell.close()
        self._button.close()

    def news(self, *_: object) -> None:
        """Wake the waiting thread; may be called from any thread and as a signal handler."""
        try:
            self._button.send(b"!")
        except OSError:  # full, so there is something to wake up for; or closed
            return

    def wait(self) -> str:
        """The keys that were pressed; empty when there is something else to see to."""
        watched = [self._bell] if self._keys is None else [self._bell, self._keys]
        ready, _, _ = select.select(watched, [], [])
        if self._bell in ready:
            self._bell.recv(4096)
        if self._keys is None or self._keys not in ready:
            return ""
        pressed = os.read(self._keys, 4096)
        if not pressed:
            self._keys = None  # the terminal is gone, and would be ready for ever
        return pressed.decode("latin-1")


@contextmanager
def awake() -> Generator[Wakes]:
    """Keys come at once and unseen; all is put back at the end, on SIGTERM too."""
    keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    wakes = Wakes(keys)
    before = None if keys is None else termios.tcgetattr(keys)
    try:
        if keys is not None:
            tty.setcbreak(keys)
        with _on(signal.SIGWINCH, wakes.news), _on(signal.SIGTERM, _leave):
            yield wakes
    finally:
        if keys is not None and before is not None:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
        wakes.close()


@contextmanager
def _on(number: int, handler: Callable[[int, FrameType | None], object]) -> Generator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _leave(*_: object) -> None:
    sys.exit(_TERMINATED)


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
    first = _seen(place)
    console = terminal()
    if once or not console.is_interactive:
        _print(first, place, console, period_s)
    else:
        with suppress(KeyboardInterrupt):  # the way to leave is no failure
            TopView(first, console).run(place, period_s)


def _seen(socket: Path) -> DaemonSnapshot:
    """One look; raises CommandFailure where there is no daemon."""
    with Client(socket) as client:
        seen = look(client)
    if seen.gone and seen.trouble is not None:
        raise seen.trouble
    return seen


def _print(first: DaemonSnapshot, socket: Path, console: Console, period_s: float) -> None:
    """One picture after a second look, since no speed shows in a single one."""
    trend = Trend()
    trend.add(first.time_s, first.status, first.board)
    time.sleep(period_s)
    last = _seen(socket)
    trend.add(last.time_s, last.status, last.board)
    height = console.height - 1 if console.is_terminal else _LINES
    for text in picture(last, trend, console.width, height):
        console.print(text, crop=False)


class TopView:
    """The picture on the terminal, drawn again at each look and each new size."""

    def __init__(self, first: DaemonSnapshot, console: Console) -> None:
        self._console = console
        self._trend = Trend()
        self._take(first)

    def run(self, socket: Path, period_s: float) -> None:
        """Show it until a key says to leave."""
        with awake() as wakes, closing(DaemonPoller(socket, period_s, wakes.news)) as looker:
            looker.start()
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                self._loop(live, wakes, looker)

    def _loop(self, live: Live, wakes: Wakes, looker: DaemonPoller) -> None:
        leaving = False
        while not leaving:
            with suppress(Empty):
                while True:
                    self._take(looker.looks.get_nowait())
            size = self._console.size
            lines = picture(self._look, self._trend, size.width, size.height, hint=_HINT)
            live.update(Group(*lines), refresh=True)
            leaving = bool(set(wakes.wait()) & set("qQ"))

    def _take(self, one: DaemonSnapshot) -> None:
        self._look = one
        if one.gone:
            self._trend.gone()
        else:
            self._trend.add(one.time_s, one.status, one.board)


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
    """
    file = config or installation(daemon_socket(socket)).config_file
    addresses = load(file).tcp.addresses if present(file) else []
    if not addresses:
        raise CommandFailure(_NO_TCP.format(file=file))
    url = page_url(addresses[0])
    click.echo(url)
    if not only_print:
        _launch(url)


def _launch(url: str) -> None:
    """Start the browser of a desktop; a board without one has the URL."""
    import webbrowser

    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
