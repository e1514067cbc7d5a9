"""The check of a converted model against llama.cpp, and what must hold.

llama.cpp itself gives other logits for a text in batches than for one token after the other,
since it rounds activations and sums in another order. That difference, measured on the same text,
bounds what a converted model may differ by; where it is next to nothing, small fixed bounds do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from edge_rt_convert.agreement import Agreement, Tally
from edge_rt_convert.runs import LlamaRun, OnnxRun, Run

_TIMES = 2.0  # llama.cpp's own difference
_KL = {True: 0.01, False: 0.001}  # nats; activations are rounded to 8 bits where weights are
_TOP1 = {True: 0.06, False: 0.02}
_DRIFT = 0.01  # nats
_ERRORS = 3.0  # standard errors by which a drift may be off by chance

REFERENCE = "llama.cpp, one by one"
BATCHED = "llama.cpp, in batches"
OURS = ("ONNX, in batches", "ONNX, one by one")


@dataclass(frozen=True)
class Bounds:
    """The most by which a converted model may differ from llama.cpp, token by token."""

    kl_nats: float
    top1_lost: float
    drift_nats: float


@dataclass(frozen=True)
class Check:
    """What was found; `faults` is empty where all is well."""

    rows: dict[str, Agreement]
    bounds: Bounds
    faults: list[str]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"passed": not self.faults, **asdict(self)}


def check_model(
    gguf: Path,
    graph: Path,
    windows: Sequence[Sequence[int]],
    *,
    threads: int,
    quantised: bool,
    on_run: Callable[[float, str], None] = lambda share, name: None,
) -> Check:
    """Run all `windows` of tokens through both, in batches and one by one.

    `on_run` is told what share of that is done and what comes next.
    """
    context = max(len(window) for window in windows)
    makers: dict[str, Callable[[], Run]] = {
        REFERENCE: lambda: LlamaRun(gguf, context=context, batch=1, threads=threads),
        BATCHED: lambda: LlamaRun(gguf, context=context, batch=context, threads=threads),
        OURS[0]: lambda: OnnxRun(graph, one_by_one=False, threads=threads),
        OURS[1]: lambda: OnnxRun(graph, one_by_one=True, threads=threads),
    }
    tallies = {name: Tally() for name in makers}
    for at, window in enumerate(windows):
        reference: np.ndarray | None = None
        for step, (name, make) in enumerate(makers.items()):
            on_run((at + step / len(makers)) / len(windows), name)
            found = _logits(make(), window)
            reference = found if reference is None else reference
            tallies[name].add(window, reference, found)
    rows = {name: tally.result() for name, tally in tallies.items()}
    bounds = _bounds(rows, quantised)
    return Check(rows, bounds, faults_of(rows, bounds))


def _logits(run: Run, window: Sequence[int]) -> np.ndarray:
    """A model is loaded again for each window, so that only one is in memory at a time."""
    try:
        return run.logits(window)
    finally:
        run.close()


def _bounds(rows: dict[str, Agreement], quantised: bool) -> Bounds:
    own = rows[BATCHED]
    return Bounds(
        kl_nats=max(_TIMES * own.kl_nats, _KL[quantised]),
        top1_lost=max(_TIMES * (1 - own.top1), _TOP1[quantised]),
        drift_nats=max(_TIMES * abs(own.drift_nats), _DRIFT),
    )


def faults_of(rows: dict[str, Agreement], bounds: Bounds) -> list[str]:
    """Return which figures of our rows are out of bounds, in words."""
    faults: list[str] = []
    for name in OURS:
        row = rows[name]
        drift = abs(row.drift_nats) - _ERRORS * row.drift_error_nats
        found = {
            "KL": (row.kl_nats, bounds.kl_nats),
            "share of other top-1 tokens": (1 - row.top1, bounds.top1_lost),
            "drift of the perplexity's logarithm, less chance": (drift, bounds.drift_nats),
        }
        faults += [
            f"{name}: {what} is {value:.4f}, at most {most:.4f} is allowed"
            for what, (value, most) in found.items()
            if not value <= most  # also where it is not a number
        ]
    return faults


def table(check: Check) -> Table:
    """A row for each way of running the text; the first is what the others are held against.

    "ratio" is that of the perplexities, less 1, with its standard error.
    """
    reference = next(iter(check.rows))
    count = check.rows[reference].positions
    made = Table(title=f"{count} tokens, against {reference}", title_justify="left")
    made.add_column("")
    for title in ("KL, nats", "same top-1", "margin where not", "perplexity", "ratio"):
        made.add_column(title, justify="right")
    for name, row in check.rows.items():
        perplexity = f"{row.perplexity:.3f}"
        if name == reference:
            made.add_row(name, "", "", "", perplexity, "")
            continue
        figures = (f"{row.kl_nats:.5f}", f"{row.top1:.2%}", f"{row.margin_nats:.3f}", perplexity)
        made.add_row(name, *figures, f"{row.drift_nats:+.2%} ± {row.drift_error_nats:.2%}")
    made.add_section()
    bounds = check.bounds
    figures = (f"{bounds.kl_nats:.5f}", f"{1 - bounds.top1_lost:.2%}", "", "")
    made.add_row("allowed", *figures, f"{bounds.drift_nats:.2%}")
    return made
