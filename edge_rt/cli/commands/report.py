"""edge-rt report: the daemon's page with what it shows now, saved as one file."""

from __future__ import annotations

import json
import re
from contextlib import closing
from html import escape
from importlib.resources import files
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.text import Json

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 86400  # the daemon remembers no more

# Of the page's scripts, those that are imported come first: one script has no imports.
_SCRIPTS = (
    "net.js",
    "board.js",
    "chart.js",
    "caps.js",
    "markdown.js",
    "history.js",
    "chat.js",
    "page.js",
)
_MODULE_WORDS = re.compile(r'^import .*? from "[^"]+";\n|^export ', re.MULTILINE)
_HEAD = re.compile(r'<link rel="icon".*</script>', re.DOTALL)
_POLICY = (  # nothing but what the file holds, and no network
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)


def page(saved: Json) -> str:
    """Return the daemon's page as one HTML document that shows `saved`.

    `saved` has `since_s`, `version`, `history` as of /edge/v1/history and `now`, a snapshot of
    /edge/v1/events.
    """
    folder = files("edge_rt.api") / "page" / "files"
    scripts = [(folder / name).read_text("utf-8") for name in _SCRIPTS]
    script = "\n".join(_MODULE_WORDS.sub("", text) for text in scripts)
    data = json.dumps(saved).replace("<", "\\u003c")  # no text ends the element
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        f"<style>{(folder / 'page.css').read_text('utf-8')}</style>\n"
        f'<script type="application/json" id="saved">{data}</script>\n'
        f'<script type="module">{script}</script>'
    )
    html = (folder / "index.html").read_text("utf-8")
    html = html.replace('<img src="/ui/icon.svg" alt="" width="32" height="32">\n', "")
    return _HEAD.sub(lambda _: head, html)


def ago(text: str) -> int:
    """Return the seconds of "90", "90s", "5m", "1h" or "1d"."""
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
    """Save the daemon's page: power, heat, forecast, caps and the latest requests.

    One HTML file that needs no network and no other file. The daemon remembers a day, since its
    start.

    Example:
        edge-rt report --since 6h --out report.html
    """
    with Client(daemon_socket(socket)) as client:
        history = client.get(f"/edge/v1/history?since={since}")
        if not history.get("time"):
            raise CommandFailure("the daemon remembers nothing yet: ask again in a second")
        hello, now = look(client)
    saved = {"since_s": since, "version": hello.get("version"), "history": history, "now": now}
    text = page(saved)
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailure(f"cannot write {out}: {error.strerror or error}") from error
    click.echo(str(out))


def look(client: Client) -> tuple[Json, Json]:
    """Return the first two events of the page: a PageHello and a PageSnapshot."""
    with closing(client.events("/edge/v1/events")) as events:
        return next(events), next(events)
