"""edge-rt router: what answers and marks have taught, and forgetting it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Group, RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.options import to_forget
from edge_rt.cli.tables import Column, Prose, TextTable, put_document
from edge_rt.cli.text import (
    MISSING,
    Json,
    counted,
    fixed,
    in_mode,
    joules,
    line,
    member,
    members,
    number,
)
from edge_rt.cli.where import daemon_socket, socket_option

_COLUMNS = (
    Column("model", text=True, kept=True),
    Column("prompts", text=True, kept=True),
    Column("good", kept=True),
    Column("bad", kept=True),
    *map(Column, ("answers", "joules", "seconds")),
)


def router_table(report: Json) -> RenderableType:
    """All of it, what was heard of last first."""
    parts: list[RenderableType] = []
    if report.get("stored") is False:
        parts.append(Prose("The file cannot be written; this is lost when the daemon ends.\n"))
    arms = members(report, "arms")
    parts.append(
        TextTable(_COLUMNS, map(_cells, arms)) if arms else Prose("Nothing was learnt yet.")
    )
    parts.append(Prose("\n" + _tried(member(report, "trials"))))
    return Group(*parts)


def _cells(arm: Json) -> Iterator[str]:
    yield in_mode(arm.get("model"), arm.get("mode"), None)
    yield " ".join(line(arm.get(name)) for name in ("length", "level", "kind"))
    yield from (fixed(arm.get(name), 1) for name in ("good", "bad", "answers"))
    yield from (_times(arm.get(name)) for name in ("joules_ratio", "seconds_ratio"))


def _times(value: object) -> str:
    ratio = number(value)
    return MISSING if ratio is None else f"{ratio:.2f} times"


def _tried(trials: Json) -> str:
    what = counted(trials.get("trials"), "trial")
    return (
        f"{what} in {counted(trials.get('requests'), 'choice')} since the daemon's start, for "
        f"{joules(trials.get('extra_j'))} beyond {joules(trials.get('best_j'))}"
    )


@click.group()
def router() -> None:
    """Show or forget what was learnt of the ways in which requests can be served."""


@router.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(socket: Path | None, as_json: bool) -> None:
    """Show the marks of each model and mode by kind of prompt, and what answers took."""
    with Client(daemon_socket(socket)) as client:
        report = client.get("/edge/v1/router")
    put_document(report, router_table, as_json=as_json)


@router.command()
@socket_option
@click.option("--model", help="Only of the model of that id.")
@click.option("--mode", help='Only of that mode, as `show` names it: "switch:early".')
@click.option("--all", "everything", is_flag=True, help="All of it.")
def reset(socket: Path | None, model: str | None, mode: str | None, everything: bool) -> None:
    """Forget what was learnt: that which all of the options fit."""
    which = to_forget({"model": model, "mode": mode}, everything=everything)
    with Client(daemon_socket(socket)) as daemon:
        done = daemon.post("/edge/v1/router/reset", which)
    click.echo(f"{counted(done.get('arms'), 'row')} forgotten")
