"""edge-rt status and edge-rt ps: the daemon's state, and the models in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import RenderableType

from edge_rt.cli.client import Client
from edge_rt.cli.document import table
from edge_rt.cli.exits import CommandFailure, NoDaemon
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.tables import PairTable, put_document
from edge_rt.cli.text import (
    Json,
    counted,
    duration,
    fixed,
    joules,
    line,
    lines,
    member,
    members,
    number,
    significant,
    whole,
)

_RESIDENT = (
    *("id", "backend", "size_bytes", "gpu_bytes", "gpu_simulated", "requests", "used_ago_s"),
    "loaded_ago_s",
)


def status_table(state: Json, health: Json) -> PairTable:
    """Return a line each for board, draw, heat, models, requests, what slows and problems."""
    return PairTable(_rows(state, health))


def residents_table(residents: list[Json]) -> RenderableType:
    """Return the models in memory, a row each."""
    return table(residents, _RESIDENT) if residents else "No models are in memory."


def _rows(state: Json, health: Json) -> Iterator[tuple[str, str]]:
    board = member(state, "board")
    simulated = ", simulated" if board.get("simulated") else ""
    yield "board", f"{line(board.get('id') or 'not recognised')}{simulated}"
    yield "draw", ", ".join(_draw(board, member(state, "governor")))
    yield "heat", ", ".join(_heat(board, member(state, "governor")))
    residents = _models(members(state, "residents"), len(members(state, "models")))
    yield "models", f"{residents}{_warm(members(state, 'warm'))}"
    yield "requests", ", ".join(_requests(state))
    governor = member(state, "governor")
    yield "slowed", line(governor.get("slowed", "not known") or "no")
    yield "problems", _problems(state, health)


def _draw(board: Json, governor: Json) -> Iterator[str]:
    budget, quality = member(governor, "budget"), board.get("power_quality")
    if (power_w := number(board.get("power_w"))) is None:
        yield "not known"
    else:
        yield f"{significant(power_w)} W{'' if quality == 'measured' else f' {line(quality)}'}"
    if number(board.get("idle_w")) is not None:
        yield f"{significant(board['idle_w'])} W idle"
    if number(budget.get("power_w")) is not None:
        yield f"max {significant(budget['power_w'])} W"
    if number(budget.get("energy_j")) is not None:
        spent, period = joules(governor.get("spent_j")), line(budget.get("energy_period"))
        yield f"{spent} of {joules(budget['energy_j'])} this {period}"


def _heat(board: Json, governor: Json) -> Iterator[str]:
    temp_c, cap_c = number(board.get("temp_c")), member(governor, "budget").get("temp_c")
    yield "not known" if temp_c is None else f"{temp_c:.1f} °C"
    if number(cap_c) is not None:
        yield f"max {fixed(cap_c, 1)} °C"
    if (throttled := lines(board, "throttled")) is not None:
        yield f"throttled by {' and '.join(throttled)}" if throttled else "not throttled"
    if governor.get("guard") not in (None, "ok"):
        yield f"guard: {line(governor['guard'])}"


def _models(residents: list[Json], stored: int) -> str:
    if not residents:
        return f"none of {stored} in memory"
    if len(residents) == 1:
        return f"{line(residents[0].get('id'))} in memory, {stored} installed"
    return f"{len(residents)} of {stored} in memory: edge-rt ps lists them"


def _warm(prefixes: list[Json]) -> str:
    """How many prefixes of `warm` the engine has read."""
    if not prefixes:
        return ""
    read = sum(one.get("state") == "warm" for one in prefixes)
    return f", {read} of {counted(len(prefixes), 'prompt')} warm"


def _requests(state: Json) -> Iterator[str]:
    """Return the requests under way, and the tokens of all since the start, in words."""
    engine, requests = member(state, "engine"), number(state.get("requests"))
    if engine.get("state") not in (None, "running"):
        yield f"the engine is {line(engine['state'])}"
    yield "not known" if requests is None else f"{whole(requests)} under way"
    if queued := number(state.get("queued")):
        yield f"{whole(queued)} held back"
    tokens, uptime_s = member(state, "tokens").get("completion"), number(state.get("uptime_s"))
    if number(tokens) is not None and uptime_s is not None:
        yield f"{counted(tokens, 'token')} written, up {duration(uptime_s)}"


def _problems(state: Json, health: Json) -> str:
    """The worst one, and how many more there are."""
    failing = [line(health.get("message"))] if health.get("status") == "failing" else []
    found = sorted(members(state, "problems"), key=lambda problem: not problem.get("fatal"))
    messages = list(dict.fromkeys([*failing, *(line(one.get("message")) for one in found)]))
    if not messages:
        return "none"
    more = len(messages) - 1
    return messages[0] + (f" ({more} more: edge-rt status --json)" if more else "")


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ps(socket: Path | None, as_json: bool) -> None:
    """List the models in memory.

    Each with its backend, the memory that it takes at most, the requests under way, and when it was
    last used and loaded. `edge-rt models list` shows all installed models.
    """
    with Client(daemon_socket(socket)) as client:
        residents = members(client.get("/edge/v1/status"), "residents")
    put_document({"models": residents}, lambda _: residents_table(residents), as_json=as_json)


@click.command()
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with everything.")
@click.pass_context
def status(ctx: click.Context, socket: Path | None, as_json: bool) -> None:
    """Show in seven lines what the daemon is doing, and what is wrong.

    Ends with an exit code other than 0 when the daemon cannot answer. `edge-rt ps` lists the models
    in memory, and --json has everything that the daemon reports.
    """
    with Client(daemon_socket(socket)) as client:
        health, code = proof(client)  # may wait for the engine's start, which changes the state
        state = client.get("/edge/v1/status")
    told = {"status": state, "health": health}
    put_document(told, lambda _: status_table(state, health), as_json=as_json)
    ctx.exit(code)


def proof(client: Client) -> tuple[Json, int]:
    """What the daemon's health check said, and the exit code that it means."""
    try:
        return client.get("/health"), 0
    except NoDaemon:
        raise
    except CommandFailure as failure:
        return {"status": "failing", "message": failure.message}, failure.exit_code
