"""edge-rt report: a page that draws how it was."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from html import escape
from pathlib import Path
from typing import cast

import click

from edge_rt.cli.client import Client
from edge_rt.cli.commands.ledger import request_cells
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.text import (
    Json,
    counted,
    line,
    member,
    members,
    number,
    significant,
    simulated,
)
from edge_rt.cli.views.budget import forecast_line, limits_line
from edge_rt.cli.views.chart import Chart, Curve, draw, legend

_GUARDS = ("ok", "caution", "hold", "evacuate")


def charts(past: Json) -> list[Chart]:
    """Return the charts of a document of /edge/v1/history."""

    def of(name: str) -> list[float | None]:
        return [number(value) for value in cast("list[object]", past.get(name) or [])]

    ahead = number(past.get("horizon_s")) or 0.0
    words = cast("list[object]", past.get("guard") or [])
    places = {word: float(place) for place, word in enumerate(_GUARDS)}
    guards = [places.get(str(word)) for word in words]
    duty = [None if value is None else 100 * value for value in of("duty")]
    how = "simulated" if past.get("simulated") else "measured"
    forecast = Curve(f"forecast {ahead:g} s before", "b", of("forecast_c"), of("band_c"))
    return [
        Chart(
            "Power",
            "W",
            [
                Curve("drawn" if how == "measured" else how, "a", of("power_w")),
                Curve("allowed", "d", of("allowance_w"), steps=True, aside=True),
                Curve("budget", "b", of("cap_w"), steps=True),
            ],
            floor=0.0,
        ),
        Chart(
            "Temperature",
            "°C",
            [
                Curve(how, "a", of("temp_c")),
                forecast,
                Curve(_trip(of("trip_c")), "c", of("trip_c"), steps=True, aside=True),
            ],
        ),
        Chart(
            "Share of time that the engine may compute",
            "%",
            [Curve("duty", "a", duty, steps=True)],
            floor=0.0,
            top=100.0,
        ),
        Chart(
            "Threads",
            "",
            [Curve("threads", "a", of("threads"), steps=True)],
            floor=0.0,
            counts=True,
        ),
        Chart("Speed", "tok/s", [Curve("tokens a second", "a", of("tokens_per_s"))], floor=0.0),
        Chart(
            "Requests",
            "",
            [
                Curve("running", "a", of("running"), steps=True),
                Curve("waiting", "b", of("waiting"), steps=True),
            ],
            floor=0.0,
            top=1.0,
            counts=True,
        ),
        Chart(
            "Guard",
            "",
            [Curve("guard", "a", guards, steps=True)],
            floor=0.0,
            top=len(_GUARDS) - 1.0,
            words=_GUARDS,
        ),
    ]


def _trip(trips: Sequence[float | None]) -> str:
    known = {trip for trip in trips if trip is not None}
    return f"throttles at {significant(known.pop())} °C" if len(known) == 1 else "throttles at"


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --text: #666; --a: #0b6bcb; --b: #c4380d;
  --c: #1b7f3b; --d: #8a3ffc; }
@media (prefers-color-scheme: dark) { :root { --text: #aaa; --a: #62aef0; --b: #ff8a65;
  --c: #6fcf8b; --d: #be95ff; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p { margin: .3rem 0; } .note, svg text { color: var(--text); fill: var(--text); }
svg { width: 100%; height: auto; } svg text { font-size: 11px; }
.grid { stroke: var(--line); stroke-width: 1; }
path { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.a { stroke: var(--a); color: var(--a); } .b { stroke: var(--b); color: var(--b); }
.c { stroke: var(--c); color: var(--c); } .d { stroke: var(--d); color: var(--d); }
.b, .d { stroke-dasharray: 6 3; } path.band { stroke: none; fill: currentColor; opacity: .15; }
.legend { float: right; font-size: .85rem; } .legend span { margin-left: 1rem; }
.legend span::before { content: "— "; }
table { display: block; overflow-x: auto; border-collapse: collapse;
  font-variant-numeric: tabular-nums; }
td, th { text-align: right; padding: .15rem .6rem; border-bottom: 1px solid var(--line); }
td:nth-child(2), th:nth-child(2), td:last-child { text-align: left; }
"""


def page(past: Json, ledger: Json, status: Json, zone: tzinfo | None = None) -> str:
    """A whole HTML document from /edge/v1/history, /edge/v1/ledger and /edge/v1/status."""
    times = [number(t) or 0.0 for t in cast("list[object]", past.get("time") or [])]
    begin, end = (datetime.fromtimestamp(t, zone) for t in (times[0], times[-1]))
    board, not_real = line(member(status, "board").get("id")), simulated(past)
    title = f"edge-rt on {board}" + (" (simulated)" if not_real else "")
    parts = [
        f"<h1>{escape(title)}</h1>",
        *([f"<p>{escape(not_real)}</p>"] if not_real else []),
        f'<p class="note">{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S}</p>',
        *_now(member(status, "governor")),
    ]
    for chart in charts(past):
        parts.append(
            f'<h2>{escape(chart.title)}<span class="legend">{legend(chart, times)}</span></h2>'
        )
        parts.append(draw(chart, times, zone))
    parts += _requests(ledger, times[0], zone)
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n"
        "</body></html>\n"
    )


def _now(governor: Json) -> Iterator[str]:
    if not governor:
        return
    for words in (
        f"Now: {line(governor.get('why'))}.",
        f"Limits: {limits_line(governor)}.",
        f"Forecast: {forecast_line(governor)}.",
    ):
        yield f"<p>{escape(words)}</p>"


def _requests(ledger: Json, since: float, zone: tzinfo | None) -> Iterator[str]:
    rows = [b for b in members(ledger, "last") if (number(b.get("ended")) or 0.0) >= since]
    if not rows:
        return
    last = "request" if len(rows) == 1 else counted(len(rows), "request")
    yield f"<h2>The last {last}</h2><table>"
    titles = ("ended", "model", "prompt", "answer", "s", "J", "W", "°C", "")
    yield "<tr>" + "".join(f"<th>{title}</th>" for title in titles) + "</tr>"
    for row in rows:
        cells = request_cells(row, zone, "%H:%M:%S")
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</table>"


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
        raise CommandFailure("the daemon remembers nothing yet: ask again in a second")
    if str(out) == "-":
        click.echo(page(past, ledger, status), nl=False)
        return
    try:
        out.write_text(page(past, ledger, status), encoding="utf-8")
    except OSError as error:
        raise CommandFailure(f"cannot write {out}: {error.strerror or error}") from error
    click.echo(str(out))
