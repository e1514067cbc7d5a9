"""edge-rt cache: what is kept of answers and prompts, and forgetting it."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Group, RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.exits import SuggestingGroup
from edge_rt.cli.options import Range, daemon_socket, socket_option, to_forget
from edge_rt.cli.tables import Column, Prose, TextTable, put_document
from edge_rt.cli.text import (
    MISSING,
    Json,
    counted,
    duration,
    joules,
    line,
    member,
    members,
    number,
    size,
    whole,
)

_COLUMNS = (
    Column("model", text=True, kept=True),
    Column("client", text=True, kept=True),
    Column("answers", kept=True),
    *map(Column, ("size", "oldest", "newest")),
)


def cache_table(report: Json, now: float | None = None) -> RenderableType:
    """All of it; ages are those at `now` in Unix seconds, None: at this moment."""
    if report.get("enabled") is not True:
        return Prose("The cache is off: set cache.enabled in the configuration.")
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Prose("The file cannot be written; the latest answers are kept in memory.\n"))
    groups = members(report, "groups")
    parts.append(_table(groups, time.time() if now is None else now) if groups else Prose("Empty."))
    parts.append(Prose("\n" + _brought(report)))
    prefixes = member(report, "prefixes")
    if prefixes.get("enabled") is True:
        parts.append(_prefixes(prefixes))
    return Group(*parts)


def _prefixes(report: Json) -> Prose:
    """What is kept of prompts, in a line for each model and client."""
    lines = [""]
    if report.get("stored") is False:
        lines.append("Beginnings of prompts cannot be written.")
    for group in members(report, "groups"):
        kept = counted(group.get("prefixes"), "beginning"), counted(group.get("tokens"), "token")
        taken = size(group.get("size_bytes"))
        whose = f"{line(group.get('model'))} for {line(group.get('client'))}"
        lines.append(f"{kept[0]} of prompts, {kept[1]}, {taken}: {whose}")
    used = counted(report.get("restored_prompts"), "prompt")
    tokens = counted(report.get("restored_tokens"), "token")
    bound = size(report.get("max_bytes"))
    lines.append(f"{used} began with what was kept, {tokens} of them; in at most {bound}")
    return Prose("\n".join(lines))


def _table(groups: list[Json], now: float) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for group in groups:
        ages = [_age(group.get(name), now) for name in ("oldest", "newest")]
        names = line(group.get("model")), line(group.get("client"))
        taken = size(group.get("size_bytes"))
        rows.append((*names, whole(group.get("answers")), taken, *ages))
    return TextTable(_COLUMNS, rows)


def _age(made: object, now: float) -> str:
    when = number(made)
    return MISSING if when is None else duration(max(0.0, now - when))


def _brought(report: Json) -> str:
    """What it was good for, and its bounds."""
    hits = counted(report.get("hits"), "request")
    bounds = duration(report.get("ttl_s")), size(report.get("max_bytes"))
    apart = "; each client gets its own" if report.get("per_client") is True else ""
    saved = report.get("saved_j")
    joules_saved = "joules unknown" if saved is None else f"{joules(saved)} saved"
    near = member(report, "semantic")
    like = f"\n{_like(near)}" if near else ""
    return (
        f"{hits} answered from it since the daemon's start, {whole(report.get('misses'))} not; "
        f"{joules_saved}\n"
        f"kept for {bounds[0]}, in at most {bounds[1]}{apart}{like}"
    )


def _like(near: Json) -> str:
    """Say how many answers came from questions that mean the same."""
    hits, known = counted(near.get("hits"), "request"), counted(near.get("questions"), "question")
    return f"{hits} of them by another question that means the same; {known} known"


@click.group(cls=SuggestingGroup)
def cache() -> None:
    """Show or forget what is kept: answers, to be given again to the very same question, and
    beginnings of prompts, which need not be read again.
    """


@cache.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(socket: Path | None, as_json: bool) -> None:
    """Show how much is kept, of which model and for whom, and what that saved."""
    with Client(daemon_socket(socket)) as client:
        report = client.get("/edge/v1/cache")
    put_document(report, cache_table, as_json=as_json)


@cache.command()
@socket_option
@click.option("--model", help="Only those of the model of that id.")
@click.option("--client", help='Only those for that client, as `show` names it: "uid:1000".')
@click.option(
    "--older", "older_s", type=Range(0, 1e9), help="Only those that are older, in seconds."
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def purge(
    socket: Path | None,
    model: str | None,
    client: str | None,
    older_s: float | None,
    everything: bool,
) -> None:
    """Forget answers and beginnings of prompts: those that all of the options fit."""
    said: Json = {"model": model, "client": client, "older_s": older_s}
    which = to_forget(said, everything=everything)
    with Client(daemon_socket(socket)) as daemon:
        purged = daemon.post("/edge/v1/cache/purge", which)
    gone = counted(purged.get("answers"), "answer")
    if purged.get("prefixes"):
        gone += f" and {counted(purged.get('prefixes'), 'beginning')} of prompts"
    click.echo(f"{gone} forgotten")
