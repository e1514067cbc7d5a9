"""edge-rt router and edge-rt trace: the marks of answers, and why a model was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import click
from rich.console import Group, RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.exits import SuggestingGroup
from edge_rt.cli.options import daemon_socket, socket_option, to_forget
from edge_rt.cli.tables import Column, Prose, TextTable, put_document
from edge_rt.cli.text import (
    Json,
    counted,
    fixed,
    in_mode,
    joules,
    line,
    member,
    members,
    percent,
    significant,
    whole,
)

_CANDIDATES = (
    Column("model", text=True, kept=True),
    Column("variant", text=True),
    Column("figure"),
    Column("threads", kept=True),
    Column("tokens"),
    Column("seconds", kept=True),
    Column("adds", kept=True),
    Column("watts"),
    Column("error"),
    Column("by", text=True),
    Column("", text=True),
)


def trace_table(considered: Sequence[Json]) -> TextTable:
    """A row for each; the chosen one is marked."""
    settings = [member(member(one, "candidate"), "setting") for one in considered]
    ways = {_way(setting) for setting in settings}
    several = len(ways) > len({variant for variant, _ in ways})
    rows = [_candidate_cells(one, several) for one in considered]
    return TextTable(_CANDIDATES, rows, [one.get("state") == "chosen" for one in considered])


def _way(setting: Json) -> tuple[str, str]:
    """A variant, and how it is loaded."""
    layers, kv_type = whole(setting.get("gpu_layers")), line(setting.get("kv_type"))
    return line(setting.get("variant")), f"KV {kv_type}, GPU {layers}"


def _candidate_cells(one: Json, several: bool) -> Iterator[str]:
    """`several`: some may be loaded in more than one way."""
    candidate = member(one, "candidate")
    setting = member(candidate, "setting")
    yield in_mode(setting.get("variant"), setting.get("mode"), setting.get("partner"))
    loaded = "" if candidate.get("loaded") else ", not loaded"
    way = f", {_way(setting)[1]}" if several else ""
    yield f"{line(candidate.get('backend'))} {line(candidate.get('quantisation'))}{way}{loaded}"
    yield fixed(candidate.get("quality"), 2)
    yield whole(setting.get("threads"))
    yield f"{whole(candidate.get('prompt_tokens'))}+{whole(candidate.get('completion_tokens'))}"
    yield significant(candidate.get("seconds"))
    yield joules(candidate.get("energy_j"))
    yield significant(candidate.get("power_w"))
    yield percent(candidate.get("error_ratio"))
    yield line(candidate.get("basis"))
    yield line(one.get("reason"))


@click.command()
@click.argument("id")
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trace(id: str, socket: Path | None, as_json: bool) -> None:
    """Say why a request was served as it was; ID is that of its answer.

    Every way to serve it is told with what it would have taken, the chosen one first and marked,
    and why the others were not. Only requests for which there was something to choose have a trace,
    and those that asked for one; the last 256 are kept.
    """
    with Client(daemon_socket(socket)) as client:
        found = client.get(f"/edge/v1/trace/{quote(id, safe='')}")
    put_document(found, lambda found: Group(*trace_view(found)), as_json=as_json)


def trace_view(found: Json) -> Iterator[RenderableType]:
    """Yield a trace: the reason, and the candidates."""
    yield Prose(f"{line(found.get('why'))}\n")
    yield trace_table(members(found, "considered"))


_COLUMNS = (
    Column("model", text=True, kept=True),
    Column("good", kept=True),
    Column("bad", kept=True),
)


def router_table(report: Json) -> RenderableType:
    """Return the marks of each model and mode, those that were marked last first."""
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Prose("The file cannot be written; this is lost when the daemon ends.\n"))
    marks = members(report, "marks")
    table = TextTable(_COLUMNS, map(_cells, marks))
    parts.append(table if marks else Prose("No answer is marked."))
    return Group(*parts)


def _cells(marked: Json) -> Iterator[str]:
    yield in_mode(marked.get("model"), marked.get("mode"), None)
    yield from (fixed(marked.get(name), 1) for name in ("good", "bad"))


@click.group(cls=SuggestingGroup)
def router() -> None:
    """Show or forget the marks of answers."""


@router.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(socket: Path | None, as_json: bool) -> None:
    """Show the marks of each model and mode; they decide nothing."""
    with Client(daemon_socket(socket)) as client:
        report = client.get("/edge/v1/router")
    put_document(report, router_table, as_json=as_json)


@router.command()
@socket_option
@click.option("--model", help="Only of the model of that id.")
@click.option("--mode", help='Only of that mode, as `show` names it: "switch:ead".')
@click.option("--all", "everything", is_flag=True, help="All of it.")
def reset(socket: Path | None, model: str | None, mode: str | None, everything: bool) -> None:
    """Forget the marks of the model and mode that the options name."""
    which = to_forget({"model": model, "mode": mode}, everything=everything)
    with Client(daemon_socket(socket)) as daemon:
        done = daemon.post("/edge/v1/router/reset", which)
    click.echo(f"{counted(done.get('models'), 'row')} forgotten")
