"""`tools/eval suggest`: estimates of `edge-rt models suggest` against published measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import click
from evallib.document import Document, Row
from evallib.markdown import figure, percent, text
from evallib.options import MARKDOWN, result
from evallib.published.estimate import Estimated, Fitted, fit, leave_out
from evallib.published.table import boards_of, read
from evallib.session import tell

_COLUMNS = (
    ("board", text("name")),
    ("rows", text("n")),
    ("speed: error, %", percent("speed_error")),
    ("at worst, times", figure("speed_worst")),
    ("rows with watts", text("with_watts")),
    ("joules a token: error, %", percent("joules_error")),
    ("at worst, times ", figure("joules_worst")),
)
_NOTES = (
    "Each row is estimated by figures fitted to rows that share neither its board nor its model. "
    "Errors are medians of |estimated / measured - 1|. Watts are those of the same board and mode "
    "with other models; without any, they follow from the joules of a cycle of a core on other "
    "boards; those of Raspberry Pis are the profile's.",
    "BF16 on a processor without instructions for it is in no other row, and in no figure of the "
    "whole: no model that is suggested has that format.",
)


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder that holds traces/llm_boards.csv.",
)
@result("suggest")
@MARKDOWN
def suggest(data: Path, json_file: Path, md_file: Path | None) -> None:
    """Hold estimates of speed and joules against published measurements of boards.

    Rows of llama.cpp and Ollama count. Nothing is run or fetched.
    """
    rows = read(data)
    found = leave_out(rows)
    usual, odd = [one for one in found if not one.row.odd], [one for one in found if one.row.odd]
    everything = _row("all", usual)
    boards = [
        _row(board, [one for one in usual if one.row.board == board]) for board in boards_of(rows)
    ]
    tables = {
        "boards": [everything, *boards, *([_row("BF16 on a Raspberry Pi", odd)] if odd else [])]
    }
    keys = {f"suggest_{key}": everything[key] for key in _KEYS}
    document = Document("suggest", _about(fit(rows)), tables, _NOTES, keys)
    tell(document, _COLUMNS, json_file, md_file)


_KEYS = ("speed_error", "speed_worst", "joules_error", "joules_worst")


def _about(fitted: Fitted) -> dict[str, object]:
    return {"of_cpu_bus": fitted.of_cpu_bus, "gpu_j": fitted.gpu_j, **asdict(fitted.kernels)}


def _row(name: str, found: Sequence[Estimated]) -> Row:
    joules = [one.joules for one in found if one.joules is not None]
    return {
        "name": name,
        "n": len(found),
        "with_watts": len(joules),
        **_errors("speed", [one.speed for one in found]),
        **_errors("joules", joules),
    }


def _errors(name: str, ratios: Sequence[float]) -> Row:
    if not ratios:
        return {f"{name}_error": None, f"{name}_worst": None}
    return {
        f"{name}_error": median(abs(ratio - 1.0) for ratio in ratios),
        f"{name}_worst": max(math.exp(abs(math.log(ratio))) for ratio in ratios),
    }
