"""edge-rt top: the board and the daemon, live in the terminal."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.cells import set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from edge_rt.cli.client import Client
from edge_rt.cli.commands.fleet import fleet_of, fleet_table
from edge_rt.cli.document import caps, figure
from edge_rt.cli.exits import CommandFailure, NoDaemon, Silent
from edge_rt.cli.options import Range, daemon_socket, socket_option
from edge_rt.cli.tables import terminal, wrapped
from edge_rt.cli.text import (
    MISSING,
    Json,
    counted,
    duration,
    fixed,
    joules,
    line,
    lines,
    making,
    member,
    members,
    number,
    percent,
    significant,
    whole,
)

STATUS = "/edge/v1/status"
BOARD = "/edge/v1/board"
LEDGER = "/edge/v1/ledger?days=1&last=8"
PAST = "/edge/v1/history?since=60"

_PARTS = {"status": STATUS, "board": BOARD, "ledger": LEDGER, "past": PAST}
_PATIENCE_S = 5.0  # for the daemon's answer, during which no key is read
_LABEL = 10  # columns of the word before each line
_RECENT = 4  # rows of the history, a second each, over which a speed is a mean
_LINES = 24  # where no terminal says how many it has
_TERMINATED = 128 + signal.SIGTERM
_KINDS = {
    "rails": "power_w",
    "zones": "temp_c",
    "clocks": "clock_hz",
    "memory": "bytes",
    "load": "fraction",
    "fans": "rpm",
}


@dataclass(frozen=True)
class DaemonSnapshot:
    """The daemon's documents; one that it did not give is empty, and `trouble` says why."""

    status: Json = field(default_factory=dict[str, Any])
    board: Json = field(default_factory=dict[str, Any])
    ledger: Json = field(default_factory=dict[str, Any])
    past: Json = field(default_factory=dict[str, Any])
    trouble: CommandFailure | None = None

    @property
    def gone(self) -> bool:
        """Whether the daemon told nothing."""
        return not (self.status or self.board or self.ledger)


def look(client: Client) -> DaemonSnapshot:
    """Ask for every document once."""
    parts: dict[str, Json] = {}
    trouble: CommandFailure | None = None
    for name, path in _PARTS.items():
        try:
            parts[name] = client.get(path)
        except NoDaemon as failure:
            return DaemonSnapshot(trouble=failure)
        except Silent as failure:  # it would let us wait for the rest, too
            return DaemonSnapshot(trouble=failure, **parts)
        except CommandFailure as failure:
            trouble = trouble or failure
    return DaemonSnapshot(trouble=trouble, **parts)


def picture(seen: DaemonSnapshot, width: int, height: int, hint: str = "") -> list[Text]:
    """Return at most `height` lines of at most `width` columns; the end is cut where it must be."""
    shown = [(_title(seen, hint), "bold")]
    if seen.trouble is not None:
        shown += [(text, "bold red") for text in wrapped(line(seen.trouble.message), width)]
    if seen.gone:
        shown.append(("Waiting for it.", ""))
    for label, text in () if seen.gone else _rows(seen):
        for place, part in enumerate(wrapped(text, max(1, width - _LABEL))):
            shown.append((f"{'' if place else label:{_LABEL}}{part}", ""))
    return [Text(set_cell_size(text, width).rstrip(), style) for text, style in shown[:height]]


def _title(seen: DaemonSnapshot, hint: str) -> str:
    version, board = seen.status.get("version"), member(seen.board, "board")
    simulated = " (simulated: all is modelled)" if seen.board.get("simulated") else ""
    name = "looking at the board" if seen.board.get("looking") else "board not recognised"
    parts = [
        (line(board.get("name")) if board else name) + simulated if seen.board else "",
        "edge-rt" if version is None else f"edge-rt {line(version)}",
        f"up {duration(seen.status['uptime_s'])}" if "uptime_s" in seen.status else "",
        hint,
    ]
    return "  ".join(part for part in parts if part)


def _rows(seen: DaemonSnapshot) -> Iterator[tuple[str, str]]:
    """Yield what matters most first; a label without a text has no line."""
    yield "supply", _supply(seen)
    throttled = lines(seen.board, "throttled")
    yield "throttled", MISSING if throttled is None else ", ".join(throttled) or "no"
    yield from _governed(member(seen.status, "governor"))
    engine = member(seen.status, "engine")
    threads = f"threads {whole(engine.get('threads'))}"
    work = f"at work {whole(engine.get('running'))}, waiting {whole(engine.get('waiting'))}"
    yield "engine", f"{line(engine.get('state'))}, {threads}, {work}"
    yield "speed", _speed(seen)
    for label, kind in _KINDS.items():
        if found := _channels(seen.board, kind):
            yield label, ", ".join(found)
    for place, one in enumerate(members(seen.ledger, "models")):
        yield "" if place else "today", _model(one)
    for place, one in enumerate(members(seen.ledger, "last")):
        yield "" if place else "last", _request(one)


def _supply(seen: DaemonSnapshot) -> str:
    supply, hottest = member(seen.board, "supply"), member(seen.board, "hottest")
    quality = f" {line(supply['quality'])}" if "quality" in supply else ""
    quality += " against a meter" if member(supply, "meter") else ""
    watts = f"{significant(supply.get('power_w'))} W{quality}"
    heat = f"{fixed(seen.board.get('temp_c'), 1)} °C"
    zone = f" {line(hottest['name'])}" if "name" in hottest else ""
    return f"{watts}, {heat}{zone}"


def _governed(state: Json) -> Iterator[tuple[str, str]]:
    if not state:
        return
    yield "budget", ", ".join(caps(state)) or "none"
    forecast = state.get("forecast_c")
    ahead = f", {fixed(forecast, 1)} °C in {duration(state.get('horizon_s'))}"
    doubt = "" if state.get("trusted") else " (not believed)"
    yield "guard", line(state.get("guard")) + ("" if forecast is None else ahead + doubt)
    limits = member(state, "limits")
    threads = counted(limits.get("threads"), "thread")
    yield "limits", f"{threads}, {percent(limits.get('duty'))} of the time"
    yield "why", line(state.get("why"))
    if missing := lines(state, "missing"):
        yield "missing", " ".join(missing)


def _speed(seen: DaemonSnapshot) -> str:
    """Return tokens a second, and what each takes of all that the board draws."""
    speeds, powers = _column(seen, "tokens_per_s")[-_RECENT:], _column(seen, "power_w")[-_RECENT:]
    speed = f"{fixed(speeds[-1] if speeds else None, 1)} tok/s"
    # Both are a second apart: the sums are tokens and joules.
    tokens, energy_j = sum(s or 0.0 for s in speeds), sum(w or 0.0 for w in powers)
    if not tokens or None in powers:
        return speed
    return f"{speed}, {significant(energy_j / tokens)} J/token of all that the board draws"


def _column(seen: DaemonSnapshot, name: str) -> list[float | None]:
    values: Sequence[object] = seen.past.get(name) or []
    return [number(value) for value in values]


def _channels(board: Json, kind: str) -> list[str]:
    return [
        f"{line(one.get('name'))} {figure(kind, one.get('value'))}"
        + (" modelled" if one.get("quality") == "modelled" and not board.get("simulated") else "")
        for one in members(board, "channels")
        if one.get("kind") == kind
    ]


def _model(one: Json) -> str:
    tokens = counted(one.get("completion_tokens"), "token")
    return f"{line(one.get('model'))}: {joules(one.get('energy_j'))}, {tokens}, " + counted(
        one.get("requests"), "request"
    )


def _request(one: Json) -> str:
    status, modelled = one.get("status"), one.get("quality") == "modelled"
    parts = [
        f"{figure('ended', one.get('ended'))} {line(one.get('model'))}",
        counted(one.get("completion_tokens"), "token"),
        f"{fixed(one.get('seconds'), 2)} s",
        joules(one.get("energy_j")) + (" modelled" if modelled else ""),
        making(one),
        "" if status == "done" else line(status),
    ]
    return ", ".join(part for part in parts if part)


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
    """Watch power, heat, clocks, speed and what answers cost.

    q or Ctrl-C leaves. Where the daemon goes away it is waited for. Where standard output is no
    terminal that can be redrawn, one picture is shown, as with --once.

    Example:
        edge-rt top
    """
    console = terminal()
    if fleet is not None:
        boards = fleet_of(fleet)
        if once or not console.is_interactive:
            console.print(fleet_table(boards))
        else:
            with suppress(KeyboardInterrupt):
                _live(console, lambda: fleet_table(boards), period_s)
        return
    with Client(daemon_socket(socket), patience_s=_PATIENCE_S) as client:
        first = look(client)
        if first.gone and first.trouble is not None:
            raise first.trouble
        if once or not console.is_interactive:
            height = console.height - 1 if console.is_terminal else _LINES
            for text in picture(first, console.width, height):
                console.print(text, crop=False)
        else:
            looks = chain([first], iter(lambda: look(client), None))

            def draw() -> RenderableType:
                size = console.size
                return Group(*picture(next(looks), size.width, size.height, hint="q leaves"))

            with suppress(KeyboardInterrupt):  # the way to leave is no failure
                _live(console, draw, period_s)


def _live(console: Console, draw: Callable[[], RenderableType], period_s: float) -> None:
    """Show what `draw` makes, again each period, until a key or the user ends it."""
    with (
        _keys() as pressed,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(draw(), refresh=True)
            if set(pressed(period_s)) & set("qQ"):
                return


@contextmanager
def _keys() -> Generator[Callable[[float], str]]:
    """Yield a function that waits so many seconds for keys; SIGTERM puts the terminal back, too."""
    signal.signal(signal.SIGTERM, _leave)
    if sys.stdin is None or not sys.stdin.isatty():
        yield _no_keys
        return
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    try:
        tty.setcbreak(keys)
        yield lambda wait_s: _pressed(keys, wait_s)
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _leave(*_: object) -> None:
    sys.exit(_TERMINATED)


def _no_keys(wait_s: float) -> str:
    time.sleep(wait_s)
    return ""


def _pressed(keys: int, wait_s: float) -> str:
    if not select.select([keys], [], [], wait_s)[0]:
        return ""
    # Nothing to read means that the terminal is gone.
    return os.read(keys, 4096).decode("latin-1") or "q"
