"""What a calibration found, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import MISSING, fixed, line, members, number, significant
from edge_rt.cli.words.tables import Column, Pairs, Prose, Table

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
    head, models = Pairs(_head(state)), members(state, "models")
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


def _models(models: list[Json]) -> Table:
    named = [model | {"model": _named(model)} for model in models]
    rows = [[_cell(name, model.get(name)) for _, name in _COLUMNS] for model in named]
    columns = [
        Column(title, text=title in ("", "model"), kept=name in _KEPT) for title, name in _COLUMNS
    ]
    return Table(columns, rows)


def _named(model: Json) -> str:
    layers = number(model.get("gpu_layers"))
    name = line(model.get("model"))
    return f"{name}, {layers:.0f} layers on the GPU" if layers else name


def _cell(name: str, value: object) -> str:
    if name.endswith("_error"):
        ratio = number(value)
        return MISSING if ratio is None else f"{100 * ratio:.1f} %"
    return significant(value) if name.endswith(("_s", "_w")) else line(value)


def _giga(value: object, unit: str) -> str:
    figure = number(value)
    return MISSING if figure is None else f"{significant(figure / 1e9)} {unit}"
