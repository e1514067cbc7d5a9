"""edge-rt plan: what an answer would take, before it is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from edge_rt.cli.client import Client
from edge_rt.cli.commands.run import question, read_prompt
from edge_rt.cli.document import table
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.progress import progress
from edge_rt.cli.tables import output, put, put_simulated
from edge_rt.cli.text import Json, counted, duration, line, members, note

_PATH = "/edge/v1/plan"
_ROOFLINE = "roofline"
PREDICTED = (
    *("model", "threads", "mode", "partner", "seconds", "energy_j", "total_j", "power_w"),
    *("end_temp_c", "band_c", "error_ratio", "basis", "prompt_tokens", "completion_tokens"),
    "reason",
)
TRIED = (
    *("predicted.model", "predicted.threads", "predicted.mode", "predicted.partner", "seconds"),
    *("seconds_error", "energy_j", "energy_error", "total_j", "power_w", "end_temp_c"),
    *("temp_error_c", "prompt_tokens", "completion_tokens", "quality", "failure"),
)


def advice(candidates: Sequence[Json]) -> str | None:
    """Return what would make the predictions better; None: nothing."""
    guessed = sorted({line(c.get("model")) for c in candidates if c.get("basis") == _ROOFLINE})
    if not guessed:
        return None
    return (
        f"Nothing is calibrated for {', '.join(guessed)}: these figures come from what is known "
        "of the board on paper, and may be off by half or double. Measure them: "
        "edge-rt calibrate --quick"
    )


@click.command()
@click.argument("prompt", nargs=-1)
@socket_option
@click.option("-m", "--model", "models", multiple=True, help="Only this model, or these.")
@click.option(
    "--threads", multiple=True, type=click.IntRange(min=1), help="Only so many, or these."
)
@click.option("--system", help="What the model is told before anything else.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 1 << 20),
    default=128,
    show_default=True,
    help="Tokens of the answer to count on.",
)
@click.option("--raw", is_flag=True, help="Let the model continue the prompt: no chat template.")
@click.option("--constrained", is_flag=True, help="Plan an answer in JSON, or with tools.")
@click.option("--run", is_flag=True, help="Run each, and tell how far off it was predicted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(
    *,
    prompt: tuple[str, ...],
    socket: Path | None,
    models: tuple[str, ...],
    threads: tuple[int, ...],
    system: str | None,
    max_tokens: int,
    raw: bool,
    constrained: bool,
    run: bool,
    as_json: bool,
) -> None:
    """Predict what an answer would take: seconds, joules, watts and the temperature at its end.

    For each model and thread count that may be used; the one that a request would get now is
    marked. "energy" are joules on top of what the board draws anyway, "total" are all of them
    meanwhile. With --constrained the seconds hold what the model's answers under a constraint have
    waited for the tokens that may come next. In modes in which a second model helps the figures are
    those of the large one by itself. The prompt is read from standard input when it is "-", or when
    there is none and something is piped in.

    Example:
        edge-rt plan "What is the capital of France?"
    """
    if raw and system is not None:
        raise click.UsageError("--system needs the chat template that --raw leaves out.")
    if run and constrained:
        raise click.UsageError("--run answers without a constraint: leave out --constrained.")
    _, asked = question(read_prompt(prompt, raw), system, raw)
    asked |= {"constrained": True} if constrained else {}
    body = asked | {"max_tokens": max_tokens, "models": list(models), "threads": list(threads)}
    with Client(daemon_socket(socket)) as client:
        if run:
            _run(client, body, as_json)
            return
        found = client.post(_PATH, body)
    if as_json:
        click.echo(json.dumps(found))
    else:
        _show(found)


def _show(plan: Json) -> None:
    candidates = members(plan, "candidates")
    put_simulated(plan)
    put(output(), table(candidates, PREDICTED, marked="chosen"))
    if plan.get("battery_s") is not None:
        click.echo(f"A full battery lasts {duration(plan['battery_s'])} at today's mean power.")
    if (words := advice(candidates)) is not None:
        note(words)


def _run(client: Client, body: Json, as_json: bool) -> None:
    """Show the plan, run it, and show what came: of as many tokens as were planned."""
    plan: Json = {}
    tried: list[Json] = []
    with closing(client.events(_PATH, body | {"run": True, "ignore_eos": True})) as events:
        for event in events:
            plan = event
            break
        if not as_json:
            _show(plan)
        able = [one for one in members(plan, "candidates") if one.get("seconds") is not None]
        with progress() as tell:
            for one in able:
                words = f"{line(one.get('model'))}, {counted(one.get('threads'), 'thread')}"
                tell(len(tried) / len(able), words)
                if (event := next(events, None)) is None:
                    break
                tried.append(event)
    if as_json:
        click.echo(json.dumps(plan | {"tried": tried}))
    elif tried:
        click.echo()
        put(output(), table(tried, TRIED))
