"""Models, boards and predictions, for tests of routing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge_rt.core.limits import Limits
from edge_rt.core.routing import LoadConfig, Prediction, RequestTokens, RunConfig, Unpredicted
from edge_rt.core.trace import Trace
from edge_rt.routing.choice import rule
from edge_rt.routing.choice.ask import Ask, Now, Variant

GB = 1e9
TOKENS = RequestTokens(100, 0, 50)
SMOL = Variant(
    id="smol",
    weights="smol",
    backend="llama.cpp",
    quantisation="Q4_0",
    context=2048,
    weights_bytes=0.1 * GB,
    kv_bytes={"f16": 0.05 * GB},
)
SMOL_ONNX = replace(
    SMOL, id="smol-onnx", backend="onnx", quantisation="int4", kv_bytes={"f32": 0.1 * GB}
)
BIG = replace(SMOL, id="big", weights="big", quantisation="Q4_K_M", weights_bytes=1.1 * GB)
POOL = (SMOL, SMOL_ONNX, BIG)

Told = Mapping[tuple[str, int], Prediction]  # by variant and threads


def setting(variant: Variant, threads: int = 2) -> RunConfig:
    """The variant's first setting with so many threads."""
    return RunConfig(
        variant.id, threads, variant.gpu_layers[0], variant.mode, next(iter(variant.kv_bytes))
    )


def prediction(
    seconds: float,
    energy_j: float | None = None,
    *,
    power_w: float | None = None,
    error_ratio: float = 0.05,
) -> Prediction:
    """A quarter of the seconds for the prompt."""
    return Prediction(
        seconds=seconds,
        prefill_s=seconds / 4,
        decode_s=3 * seconds / 4,
        energy_j=energy_j,
        total_j=None if power_w is None else power_w * seconds,
        power_w=power_w,
        error_ratio=error_ratio,
        energy_error_ratio=None if energy_j is None else error_ratio,
        basis="calibrated",
    )


def ask(**fields: object) -> Ask:
    """A request of which each variant's tokens are the same."""
    tokens = {variant.id: TOKENS for variant in POOL}
    return replace(Ask(tokens=tokens), **fields)  # pyright: ignore[reportArgumentType]


def now(*loaded: Variant, limits: Limits | None = None, **fields: object) -> Now:
    """A board with room for all, where these are loaded."""
    load_configs = {v.id: LoadConfig(v.gpu_layers[0], next(iter(v.kv_bytes))) for v in loaded}
    board = Now(limits or Limits(2), (1, 2), 8 * GB, load_configs)
    return replace(board, **fields)  # pyright: ignore[reportArgumentType]


def choose(told: Told, ask: Ask, pool: Sequence[Variant], now: Now) -> Trace:
    """Route by what each variant takes with each number of threads."""

    def predict(setting: RunConfig, tokens: RequestTokens) -> Prediction | Unpredicted:
        found = told.get((setting.variant, setting.threads))
        return found or Unpredicted("nothing is known of it")

    return rule.choose(ask, pool, now, predict)
