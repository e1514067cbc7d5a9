"""edge-rt calibrate: measure what the board does, so that predictions hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.client import Client
from edge_rt.cli.options import daemon_socket, socket_option
from edge_rt.cli.progress import calibrated
from edge_rt.cli.tables import Column, PairTable, Prose, TextTable, put_document
from edge_rt.cli.text import MISSING, Json, fixed, line, members, number, percent, significant

_COLUMNS = (
    ("model", "model"),
    ("threads", "threads"),
    ("prompt tok/s", "prefill_tokens_per_s"),
    ("answer tok/s", "decode_tokens_per_s"),
    ("idle W", "idle_w"),
    ("prompt W", "prefill_w"),
    ("answer W", "decode_w"),
    ("off by", "runtime_error"),
    ("joules off by", "energy_error"),
    ("", "quality"),
)
_KEPT = ("model", "threads", "prefill_tokens_per_s", "decode_tokens_per_s")


def calibration_tables(state: Json) -> RenderableType:
    """All of a Calibrated."""
    head, models = PairTable(_head(state)), members(state, "models")
    if not models:
        return Group(head, Prose("\nNothing is calibrated: edge-rt calibrate --quick"))
    return Group(head, Text(""), _models(models))


def _head(state: Json) -> Iterator[tuple[str, str]]:
    yield "board", line(state.get("board"))
    yield "date", line(state.get("date"))
    yield "computes", _giga(state.get("flop_per_s"), "GFLOP/s (float32)")
    yield "memory", _giga(state.get("bytes_per_s"), "GB/s")
    watts, doubling = state.get("leakage_w"), state.get("doubling_c")
    if number(watts) is not None:
        source = ", assumed" if state.get("leakage_source") == "assumed" else ""
        after = f"twice that {fixed(doubling, 0)} K on"
        yield "leakage", f"{significant(watts)} W at 45 °C{source}, {after}"
    yield "" if number(watts) is not None else "leakage", line(state.get("leakage_note"))


def _models(models: list[Json]) -> TextTable:
    named = [model | {"model": _named(model)} for model in models]
    rows = [[_cell(name, model.get(name)) for _, name in _COLUMNS] for model in named]
    columns = [
        Column(title, text=title in ("", "model"), kept=name in _KEPT) for title, name in _COLUMNS
    ]
    return TextTable(columns, rows)


def _named(model: Json) -> str:
    layers = number(model.get("gpu_layers"))
    name = line(model.get("model"))
    return f"{name}, {layers:.0f} layers on the GPU" if layers else name


def _cell(name: str, value: object) -> str:
    if name.endswith("_error"):
        return percent(value, 1)
    return significant(value) if name.endswith(("_s", "_w")) else line(value)


def _giga(value: object, unit: str) -> str:
    figure = number(value)
    return MISSING if figure is None else f"{significant(figure / 1e9)} {unit}"


@click.command()
@socket_option
@click.option("--quick", is_flag=True, help="Within a minute: the default model, fewer runs.")
@click.option("-m", "--model", help="Only this model; all of them otherwise.")
@click.option("--force", is_flag=True, help="Although other programs keep the board busy.")
@click.option("--show", is_flag=True, help="Measure nothing: show what is known.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(
    socket: Path | None, quick: bool, model: str | None, force: bool, show: bool, as_json: bool
) -> None:
    """Measure ceilings, speeds and watts of the board and its models.

    Predictions, plans and the governor rest on it. The board must be cool and have nothing else
    to do; other requests are refused meanwhile. Ctrl-C ends it; measurements
    that are not complete are not kept.
    """
    if show and (quick or model is not None or force):
        raise click.UsageError("--show measures nothing: leave the other options out.")
    with Client(daemon_socket(socket)) as client:
        if show:
            found = client.get("/edge/v1/calibration")
        else:
            body: Json = {"quick": quick, "force": force}
            found = calibrated(client, body if model is None else body | {"model": model})
    put_document(found, calibration_tables, as_json=as_json)
