"""What a calibration found, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_rt.cli.client import Json
from edge_rt.cli.figures import MISSING, fixed, line, members, number, significant

_COLUMNS = (
    ("MODEL", "model"),
    ("THREADS", "threads"),
    ("PROMPT tok/s", "prefill_tokens_per_s"),
    ("ANSWER tok/s", "decode_tokens_per_s"),
    ("IDLE W", "idle_w"),
    ("PROMPT W", "prefill_w"),
    ("ANSWER W", "decode_w"),
    ("OFF BY", "runtime_error"),
    ("JOULES OFF BY", "energy_error"),
    ("", "quality"),
)


def calibration_tables(state: Json) -> RenderableType:
    """All of a Calibrated."""
    head = Table(box=None, padding=(0, 1, 0, 0), show_header=False, pad_edge=False)
    head.add_column(no_wrap=True, style="bold")
    head.add_column(overflow="fold")
    for title, text in _head(state):
        head.add_row(Text(title), Text(text))
    models = members(state, "models")
    if not models:
        return Group(head, Text("\nNothing is calibrated: edge-rt calibrate --quick"))
    return Group(head, Text(""), _models(models))


def _head(state: Json) -> Iterator[tuple[str, str]]:
    yield "board", line(state.get("board"))
    yield "date", line(state.get("date"))
    yield "computes", _giga(state.get("flop_per_s"), "GFLOP/s (float32)")
    yield "memory", _giga(state.get("bytes_per_s"), "GB/s")
    watts, doubling = state.get("leakage_w"), state.get("doubling_c")
    if number(watts) is not None:
        yield "leakage", f"{significant(watts)} W at 45 °C, twice that {fixed(doubling, 0)} K on"
    yield "" if number(watts) is not None else "leakage", line(state.get("leakage_note"))


def _models(models: list[Json]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title, _ in _COLUMNS:
        table.add_column(title, justify="left" if title in ("", "MODEL") else "right")
    for model in models:
        named = model | {"model": _named(model)}
        table.add_row(*(Text(_cell(name, named.get(name))) for _, name in _COLUMNS))
    return table


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
