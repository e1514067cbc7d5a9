"""What commands show of fixed and of odd data, on a terminal of any width."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import board_reports as boards
from governed import governor
from rich.console import Console, Group, RenderableType

from edge_rt.cli.commands.ledger import COLUMNS
from edge_rt.cli.commands.plan import PREDICTED, TRIED
from edge_rt.cli.commands.sensors import board_view
from edge_rt.cli.commands.status import residents_table, status_view
from edge_rt.cli.commands.trace import trace_view
from edge_rt.cli.document import table, view
from edge_rt.cli.local.model_documents import document, models_table
from edge_rt.cli.tables import put
from edge_rt.models.catalogue import SamplingDefaults
from edge_rt.models.formats.summary import Summary
from edge_rt.models.record import ModelRecord

FOLDER = Path(__file__).parent / "screens"
ID, LIKE = "smollm2-135m-instruct", "smollm2-135m-instruct-onnx-int4"
NOW = 1_795_000_000.0
GOLDEN = [
    (name, width)
    for name in ("plan", "trace", "ledger", "models list", "status")
    for width in (80, 40)
]


def shown(content: RenderableType, width: int) -> str:
    """`content` as a terminal of `width` columns gets it."""
    file = io.StringIO()
    put(Console(file=file, width=width, force_terminal=True, color_system=None), content)
    return file.getvalue()


def candidate(model: str, figure: float | None, count: int, **other: Any) -> dict[str, Any]:
    """One way to serve a request, as `plan` and `trace` tell it."""
    usual = {
        "model": model,
        "backend": "onnx",
        "quantisation": "int4",
        "loaded": True,
        "threads": 2,
        "prompt_tokens": count,
        "completion_tokens": 128,
        "seconds": figure,
        "energy_j": figure,
        "total_j": figure,
        "power_w": figure,
        "end_temp_c": figure,
        "band_c": 0.8,
        "error_ratio": 0.08,
        "basis": "calibrated",
        "reason": "the prompt would fill the memory with 2 threads",
        "setting": {"variant": model, "threads": 2, "mode": "single"},
    }
    return usual | other


def plan(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt plan --run`."""
    found = [candidate(model, figure, count, chosen=not n) for n, model in enumerate(models)]
    pair = {
        "mode": "speculative",
        "partner": models[-1],
        "reason": "1.60 times the time",
        "chosen": False,
    }
    tried = [
        one | {"predicted": one, "seconds_error": -0.06, "quality": "measured"} for one in found
    ]
    return Group(
        table([*found, found[0] | pair], PREDICTED, marked="chosen"), "", table(tried, TRIED)
    )


def trace(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt trace`."""
    states = ["chosen", *["dropped"] * (len(models) - 1)]
    considered = [
        {"candidate": candidate(model, figure, count), "state": state, "reason": "it takes less"}
        for model, state in zip(models, states, strict=True)
    ]
    why = f"{models[0]} with 2 threads: the fewest joules of {count} ways to answer"
    return trace_view({"why": why, "considered": considered})


def ledger(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt ledger`."""
    sums = [boards.model_total(model=m, energy_j=figure or 0.0, unresolved=1) for m in models]
    usual = {"ended": None, "energy_j": figure, "prompt_tokens": count}  # no zone of time shows
    last = [boards.booking(model=m, **usual) for m in models]
    pair = {"mode": "speculative", "small_tokens": 48, "large_tokens": 16, "accepted_tokens": 40}
    last.append(last[0] | pair | {"rejected_tokens": 8, "quality": "modelled"})
    return view(boards.ledger(models=sums, last=last), **COLUMNS)


def models_list(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt models list`."""
    summary = Summary(
        architecture="llama",
        name=None,
        organisation=None,
        licence=None,
        quantisation="INT4",
        parameters=count,
        file_bytes=count,
        context_train=count,
        **dict.fromkeys(("layers", "embedding", "heads", "kv_heads", "head_dim_k"), 1),
        **dict.fromkeys(("head_dim_v", "kv_per_token", "vocab"), 1),
        **dict.fromkeys(("chat_template", "bos_token", "eos_token"), None),
    )
    about = (count, "sha256", 0, "Apache-2.0", "Someone", "onnx", SamplingDefaults(), summary)
    entries = [ModelRecord(model, Path(model), *about) for model in models]
    return models_table([document(e) | {"default": e is entries[0]} for e in entries])


def sensors(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt sensors`, of rails with those names."""
    rails = [rail for name in models for rail in boards.rail("ina3221", name, 5.0, count / 1000)]
    zones = [boards.channel("thermal", name, "temp_c", figure) for name in models]
    skipped = [{"name": f"/sys/{name}", "reason": "labelled NC: not connected"} for name in models]
    return board_view(boards.nothing(channels=[*rails, *zones], not_read=skipped))


def budget(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt budget`, with knobs of those names."""
    knob = {"wanted": str(count), "value": str(count), "before": "2.4 GHz", "error": "read-only"}
    knobs = [knob | {"name": f"/sys/{name}"} for name in models]
    return view(governor(knobs=knobs, forecast_c=figure))


def cache(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt cache show`."""
    group = {"client": "uid:1000", "answers": count, "size_bytes": count, "newest": NOW - 5}
    groups = [group | {"model": model, "oldest": NOW - count} for model in models]
    return view({"enabled": True, "groups": groups, "hits": 7, "misses": 13})


def calibration(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt calibrate --show`."""
    speeds = dict.fromkeys(("prefill_tokens_per_s", "decode_tokens_per_s", "idle_w"), figure)
    about = {"threads": count, "quality": "measured", "runtime_error": 0.034}
    fitted = [speeds | about | {"model": model} for model in models]
    return view({"board": "raspberry-pi-5", "models": fitted})


def status(models: list[str], figure: float | None, count: int) -> RenderableType:
    """`edge-rt status`, of a board that has all there is to tell, and `edge-rt ps`."""
    residents = [
        {
            "id": model,
            "backend": "onnx",
            "size_bytes": 1 << 30,
            "gpu_bytes": 1 << 20,
            "requests": n,
            "used_ago_s": 5.0,
            "loaded_ago_s": 125.0,
        }
        for n, model in enumerate(models)
    ]
    caps = {"temp_c": 85.0} | governor()["budget"]
    board = {
        "id": "raspberry-pi-5",
        "simulated": True,
        "power_w": 22.8,
        "power_quality": "modelled",
        "idle_w": 9.5,
        "temp_c": figure,
        "throttled": ["under-voltage"],
    }
    state = boards.status(
        board=board,
        governor=governor(budget=caps),
        requests=count,
        queued=2,
        models=[{"id": model} for model in models],
        residents=residents,
        problems=[{"code": "knob", "message": "cpufreq: no right to write it", "fatal": False}],
    )
    return Group(
        status_view({"status": state, "health": {"status": "ok"}}),
        "",
        residents_table(residents),
    )


VIEWS: dict[str, Callable[[list[str], float | None, int], RenderableType]] = {
    "plan": plan,
    "trace": trace,
    "status": status,
    "ledger": ledger,
    "models list": models_list,
    "sensors": sensors,
    "budget": budget,
    "cache": cache,
    "calibration": calibration,
}


def screen(name: str, width: int) -> str:
    """One command with the fixed data."""
    return shown(VIEWS[name]([ID, LIKE], 8.234, 1536), width)


def golden(name: str, width: int) -> Path:
    """The file with the screen that the command must show."""
    return FOLDER / f"{name.replace(' ', '-')}-{width}.txt"


if __name__ == "__main__":  # write all of them: read them before you commit
    for name, width in GOLDEN:
        golden(name, width).write_text(screen(name, width))
