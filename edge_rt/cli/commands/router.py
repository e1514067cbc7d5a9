"""edge-rt router and edge-rt trace: what the router has learnt, and why it chose as it did."""

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
    MISSING,
    Json,
    counted,
    fixed,
    in_mode,
    joules,
    line,
    lines,
    member,
    members,
    number,
    percent,
    significant,
    whole,
)

_CANDIDATES = (
    Column("model", text=True, kept=True),
    Column("variant", text=True),
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
    yield whole(setting.get("threads"))
    yield f"{whole(candidate.get('prompt_tokens'))}+{whole(candidate.get('completion_tokens'))}"
    yield significant(candidate.get("seconds"))
    yield joules(candidate.get("energy_j"))
    yield significant(candidate.get("power_w"))
    yield percent(candidate.get("error_ratio"))
    yield line(candidate.get("basis"))
    yield line(one.get("reason"))


def assessment_lines(assessed: Json) -> Iterator[str]:
    """A line for the prompt, and one for each model that something is known of."""
    features = member(assessed, "features")
    words = (line(features.get(name)) for name in ("kind", "length", "level"))
    yield f"prompt: {', '.join(words)}"
    chances = member(assessed, "chances")
    for model in chances:
        chance = member(chances, model)
        reasons = "; ".join(lines(chance, "reasons") or [])
        yield f"{line(model)} good enough with {fixed(chance.get('p'), 2)}: {reasons}"


def learnt_lines(considered: Sequence[Json]) -> list[str]:
    """A line for each model and mode that marks or answers changed something about."""
    candidates = [member(one, "candidate") for one in considered]
    told = [_line(candidate) for candidate in candidates]
    return list(dict.fromkeys(line for line in told if line))


def _line(candidate: Json) -> str:
    setting, learnt = member(candidate, "setting"), member(candidate, "learnt")
    parts: list[str] = []
    if number(learnt.get("marks")):
        before, p = fixed(learnt.get("presumed"), 2), fixed(learnt.get("p"), 2)
        parts.append(f"{fixed(learnt.get('marks'), 1)} marks, so {p} in place of {before}")
    if number(learnt.get("answers")):
        times = fixed(learnt.get("joules_ratio"), 2), fixed(learnt.get("seconds_ratio"), 2)
        answers = fixed(learnt.get("answers"), 1)
        parts.append(f"{answers} answers, so {times[0]} times the joules, {times[1]} the seconds")
    way = in_mode(setting.get("variant"), setting.get("mode"), setting.get("partner"))
    return f"learnt of {way} with such prompts: {'; '.join(parts)}" if parts else ""


@click.command()
@click.argument("id")
@socket_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trace(id: str, socket: Path | None, as_json: bool) -> None:
    """Say why a request was served as it was; ID is that of its answer.

    Every way to serve it is told with what it would have taken, the chosen one first and marked,
    and why the others were not; then how likely each model was to give a good answer, what speaks
    for and against that in log-odds, and what marks and answers have taught of such prompts. Only
    requests for which there was something to choose have a trace, and those that asked for one; the
    last 256 are kept.
    """
    with Client(daemon_socket(socket)) as client:
        found = client.get(f"/edge/v1/trace/{quote(id, safe='')}")
    put_document(found, lambda found: Group(*trace_view(found)), as_json=as_json)


def trace_view(found: Json) -> Iterator[RenderableType]:
    """All of a trace: the reason, the candidates, and what is known of the prompt and the board."""
    considered = members(found, "considered")
    yield Prose(f"{line(found.get('why'))}\n")
    yield trace_table(considered)
    if assessed := member(found, "assessed"):
        yield Prose("\n" + "\n".join(assessment_lines(assessed)))
    yield from map(Prose, learnt_lines(considered))
    if (phi := number(found.get("phi"))) is not None:
        source = " (leakage assumed)" if found.get("phi_source") == "assumed" else ""
        words = "what leakage leaves of the chip's power, as warm as it was"
        yield Prose(f"\nPhi {phi:.2f}{source}: {words}")


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


@click.group(cls=SuggestingGroup)
def router() -> None:
    """Show or reset what the router has learnt about models and modes."""


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
    """Forget what the router has learnt about the model and mode that the options name."""
    which = to_forget({"model": model, "mode": mode}, everything=everything)
    with Client(daemon_socket(socket)) as daemon:
        done = daemon.post("/edge/v1/router/reset", which)
    click.echo(f"{counted(done.get('arms'), 'row')} forgotten")
