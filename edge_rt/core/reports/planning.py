"""What clients see of predictions, and of the calibration that they rest on."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_rt.core.reports.board import Quality
from edge_rt.core.reports.governor import LeakageSource


class Candidate(msgspec.Struct, frozen=True):
    """One way to serve a request, and what it would take; None: not known.

    `energy_j` is what it would add to what the board draws anyway, `total_j` all that the board
    would draw meanwhile. `error_ratio` is the relative error to expect of seconds and joules,
    `basis` what they rest on. `mode` is how tokens are decided on, with the help of the smaller
    model `partner` in some. `reason` says why it is chosen or cannot be.
    """

    model: str
    backend: str
    threads: int
    prompt_tokens: int | None
    completion_tokens: int
    seconds: float | None
    prefill_s: float | None
    decode_s: float | None
    energy_j: float | None
    total_j: float | None
    power_w: float | None
    end_temp_c: float | None
    band_c: float | None
    error_ratio: float | None
    basis: Literal["calibrated", "learnt", "roofline"] | None
    chosen: bool
    reason: str
    mode: str = "single"
    partner: str | None = None


class PlanReport(msgspec.Struct, frozen=True):
    """The answer to POST /edge/v1/plan: the chosen candidate first."""

    candidates: list[Candidate]
    simulated: str | None = None  # the simulated board whose figures these are


class PlanAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer would take: to `prompt` as it is, or to `messages` by each model's template.

    Without `models` all in the store are looked at, without `threads` all that may be used. With
    `fresh` nothing of the prompt is taken from KV. The other fields are for when it is run.
    """

    prompt: str | None = None
    messages: list[dict[str, object]] = []
    models: list[str] = []
    threads: list[int] = []
    max_tokens: int = 128
    fresh: bool = False
    temperature: float | None = None
    seed: int | None = None
    ignore_eos: bool = False


class Tried(msgspec.Struct, frozen=True, kw_only=True, tag="tried"):
    """What a candidate took when it was run; None: not known.

    `foretold` has the figures of the plan, except for the temperature, which is the forecast from
    the start of the run. For an answer that ended early they are reduced to its tokens.
    Errors are relative to the run: 0.1 is a tenth more than it took. `failure` says why there are
    no figures.
    """

    foretold: Candidate
    prompt_tokens: int | None
    cached_tokens: int
    completion_tokens: int
    quality: Quality  # of the joules
    seconds: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    energy_j: float | None = None
    total_j: float | None = None
    power_w: float | None = None
    end_temp_c: float | None = None
    seconds_error: float | None = None
    energy_error: float | None = None
    temp_error_c: float | None = None
    failure: str | None = None


class CalibrationAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be calibrated, and how thoroughly; `model` None: all, or with `quick` the default.

    `force`: although other programs keep the board busy.
    """

    quick: bool = False
    model: str | None = None
    force: bool = False


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Where a calibration stands, of POST /edge/v1/calibrate."""

    done: float  # 0 to 1
    doing: str


class Fitted(msgspec.Struct, frozen=True):
    """One model and thread count after calibration: rates, powers, and how well they fit.

    It was loaded with that many layers on the GPU, and its keys and values kept in that type.
    """

    model: str
    backend: str
    threads: int
    gpu_layers: int
    kv_type: str
    prefill_tokens_per_s: float | None  # of 256 tokens
    decode_tokens_per_s: float | None
    idle_w: float | None
    prefill_w: float | None
    decode_w: float | None
    quality: str
    runtime_error: float | None  # median, relative
    energy_error: float | None


class Calibrated(msgspec.Struct, frozen=True, tag="calibrated"):
    """What a calibration found; also GET /edge/v1/calibration."""

    board: str | None
    date: str | None  # "2026-01-31T12:00:00Z"; None: never calibrated
    flop_per_s: float | None
    bytes_per_s: float | None
    leakage_w: float | None  # at 45 °C
    doubling_c: float | None
    leakage_note: str  # how well it is known, and why it is not measured
    models: list[Fitted]
    leakage_source: LeakageSource = "assumed"
    simulated: str | None = None  # the simulated board whose figures these are


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A calibration that cannot be done now, and why."""

    reason: str
