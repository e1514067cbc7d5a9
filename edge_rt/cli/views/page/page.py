"""The page of `edge-rt report`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from html import escape
from typing import cast

from edge_rt.cli.views.budget import forecast_line, limits_line
from edge_rt.cli.views.ledger import request_cells
from edge_rt.cli.views.page.chart import draw, legend
from edge_rt.cli.views.page.charts import charts
from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import counted, line, member, members, number, simulated

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
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
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
