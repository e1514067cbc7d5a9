"""Cases of routing as data: a request, the board, predictions, and what must be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge_rt.core.limits import Admission, Guard, Limits
from edge_rt.core.routing import (
    LoadConfig,
    Prediction,
    Prefer,
    RequestTokens,
    RunConfig,
    Unpredicted,
)
from edge_rt.core.trace import Trace
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.choice.rule import choose

FOLDER = Path(__file__).parent / "golden"
_MB = 1e6


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mistyped key is an error, not a case that tests nothing."""


class Model(_Strict, kw_only=True):
    backend: str
    quantisation: str
    source: str | None = None  # None: its id
    context: int = 2048
    weights_mb: float = 100.0
    kv_mb: dict[str, float] = msgspec.field(default_factory=lambda: {"f16": 50.0})
    gpu_layers: tuple[int, ...] = (0,)
    threads: tuple[int, ...] = ()
    quality: float | None = None
    load_s: float = 0.0
    load_j: float = 0.0


class Board(_Strict, kw_only=True):
    threads: tuple[int, ...] = (2,)
    allowed_threads: int = 2
    admission: Admission = "open"
    smaller: bool = False
    heavy: bool = True
    guard: Guard = "ok"
    allowance_w: float | None = None
    why: str = "nothing holds back"
    usable_mb: float = 4000.0
    loaded: dict[str, str] | None = None  # "LAYERS/KV TYPE"; None: all, the first way they can be
    in_use_mb: dict[str, float] = {}


class Request(_Strict, kw_only=True):
    model: str = "auto"
    prefer: Prefer = "energy"
    prompt: int = 100
    completion: int = 50
    uncounted: dict[str, str] = {}  # why a model's tokens are not known
    unfit: dict[str, str] = {}  # why a model cannot decode as asked
    latency_s: float | None = None
    energy_j: float | None = None
    quality: float = 0.0


class Foretold(_Strict, kw_only=True):
    s: float
    j: float | None = None
    w: float | None = None
    error: float = 0.05


class Expected(_Strict, kw_only=True):
    chosen: str | None = None
    why: str = ""  # somewhere in the reason
    within: bool = True
    others: dict[str, str] = {}  # "STATE" or "dropped RULE"
    reasons: dict[str, str] = {}  # somewhere in theirs
    joules: float | None = None


class Case(_Strict, kw_only=True):
    """`foretold` and `expected` know settings as "VARIANT/THREADS[/LAYERS/KV TYPE]"."""

    case: str
    models: dict[str, Model]
    board: Board = Board()
    request: Request = Request()
    foretold: dict[str, Foretold] = {}
    expected: Expected

    def route(self) -> Trace:
        """What the router makes of it."""
        asked, _, backend = self.request.model.partition("@")
        pool = [
            _variant(id, model)
            for id, model in self.models.items()
            if asked in ("auto", id, model.source) and backend in ("", model.backend)
        ]
        return choose(self._ask(), pool, self._now(pool), self._predict)

    def _ask(self) -> Ask:
        request = self.request
        counted = {id: RequestTokens(request.prompt, 0, request.completion) for id in self.models}
        uncounted = {id: Unpredicted(why) for id, why in request.uncounted.items()}
        return Ask(
            tokens={**counted, **uncounted},
            model=request.model,
            prefer=request.prefer,
            latency_s=request.latency_s,
            energy_j=request.energy_j,
            quality=request.quality,
            unfit=request.unfit,
        )

    def _now(self, pool: list[Variant]) -> Now:
        board = self.board
        load_configs = {v.id: LoadConfig(v.gpu_layers[0], next(iter(v.kv_bytes))) for v in pool}
        if board.loaded is not None:
            split = {id: load.split("/") for id, load in board.loaded.items()}
            load_configs = {
                id: LoadConfig(int(layers), kv_type) for id, (layers, kv_type) in split.items()
            }
        limits = Limits(
            board.allowed_threads,
            admission=board.admission,
            smaller=board.smaller,
            heavy=board.heavy,
            guard=board.guard,
            allowance_w=board.allowance_w,
            why=board.why,
        )
        in_use = {id: size * _MB for id, size in board.in_use_mb.items()}
        return Now(limits, board.threads, board.usable_mb * _MB, load_configs, in_use)

    def _told(self, setting: RunConfig) -> Foretold | None:
        return self.foretold.get(full_name(setting)) or self.foretold.get(short_name(setting))

    def _predict(self, setting: RunConfig, tokens: RequestTokens) -> Prediction | Unpredicted:
        told = self._told(setting)
        if told is None:
            return Unpredicted("it was never measured")
        return Prediction(
            seconds=told.s,
            prefill_s=told.s / 4,
            decode_s=3 * told.s / 4,
            energy_j=told.j,
            total_j=None if told.w is None else told.w * told.s,
            power_w=told.w,
            error_ratio=told.error,
            energy_error_ratio=None if told.j is None else told.error,
            basis="calibrated",
        )


def short_name(setting: RunConfig) -> str:
    """As far as most cases have to tell settings apart."""
    return f"{setting.variant}/{setting.threads}"


def full_name(setting: RunConfig) -> str:
    """Return all that a case may tell apart."""
    return f"{short_name(setting)}/{setting.gpu_layers}/{setting.kv_type}"


def cases() -> list[Case]:
    """Return all there are, in the order of the files."""
    files = sorted(FOLDER.glob("*.yaml"))
    return [case for file in files for case in _of(yaml.safe_load(file.read_text()))]


def _of(document: Any) -> list[Case]:
    """A file's cases; its `models` and `foretold` are those of each case that has none."""
    shared = {key: document[key] for key in ("models", "foretold") if key in document}
    return [msgspec.convert({**shared, **case}, Case) for case in document["cases"]]


def _variant(id: str, model: Model) -> Variant:
    return Variant(
        id=id,
        weights=model.source or id,
        backend=model.backend,
        quantisation=model.quantisation,
        context=model.context,
        weights_bytes=model.weights_mb * _MB,
        kv_bytes={kv_type: size * _MB for kv_type, size in model.kv_mb.items()},
        quality=model.quality,
        gpu_layers=model.gpu_layers,
        threads=model.threads,
        load_s=model.load_s,
        load_j=model.load_j,
    )
