"""What clients see of predictions, and of the calibration that they rest on."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_rt.core.reports.board import Quality
from edge_rt.core.reports.governor import LeakageSource


class PlanCandidate(msgspec.Struct, frozen=True):
    """One way to serve a request, with the predicted figures; null: not known."""

    model: str
    """Id of the model."""
    backend: str
    """Library that runs it."""
    threads: int
    """Threads of a pass."""
    prompt_tokens: int | None
    """Tokens of the prompt."""
    completion_tokens: int
    """Tokens of the answer that are counted on."""
    seconds: float | None
    """Seconds in all."""
    prefill_s: float | None
    """Seconds in which the prompt is read."""
    decode_s: float | None
    """Seconds in which the answer is written."""
    energy_j: float | None
    """Joules that it adds to the idle draw."""
    total_j: float | None
    """All joules that the board draws meanwhile."""
    power_w: float | None
    """Mean power of the board."""
    end_temp_c: float | None
    """Temperature of the hottest zone at the end."""
    band_c: float | None
    """Nine in ten of such temperatures are right within this."""
    error_ratio: float | None
    """Relative error to expect of seconds and joules."""
    basis: Literal["calibrated", "learnt", "roofline"] | None
    """What the figures rest on: a calibration, earlier answers, or the board's figures on paper."""
    chosen: bool
    """Whether a request would get this one now."""
    reason: str
    """Why it is chosen, or cannot be."""
    mode: str = "single"
    """Decoding mode."""
    partner: str | None = None
    """Id of the smaller model that helps; the figures are those of the model by itself."""
    mask_wait_s: float | None = None
    """Of the seconds, those in which an answer under a constraint waits for the tokens that may
    come next, as earlier ones did; null for a free answer."""


class PlanReport(msgspec.Struct, frozen=True):
    """Every way to serve a request."""

    candidates: list[PlanCandidate]
    """The candidates, the chosen one first."""
    simulated: str | None = None
    """The simulated board whose figures these are."""
    battery_s: float | None = None
    """Seconds that the full battery lasts at the mean power of this UTC day."""


class PlanAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer would take: to `prompt` as it is, or to `messages` by each model's template.

    Without `models` all in the store are looked at, without `threads` all that may be used. With
    `fresh` nothing of the prompt is taken from KV. `constrained`: the answer is under a constraint.
    The other fields are for when it is run.
    """

    prompt: str | None = None
    messages: list[dict[str, object]] = []
    models: list[str] = []
    threads: list[int] = []
    max_tokens: int = 128
    fresh: bool = False
    constrained: bool = False
    temperature: float | None = None
    seed: int | None = None
    ignore_eos: bool = False


class Tried(msgspec.Struct, frozen=True, kw_only=True, tag="tried"):
    """What a candidate took when it was run; null: not known."""

    predicted: PlanCandidate
    """The prediction, with the temperature that was forecast at the start of the run. For an answer
    that ended early the figures are reduced to its tokens."""
    prompt_tokens: int | None
    """Tokens of the prompt."""
    cached_tokens: int
    """Tokens of the prompt that were not computed again."""
    completion_tokens: int
    """Tokens of the answer."""
    quality: Quality
    """Quality of the joules."""
    seconds: float | None = None
    """Seconds in all."""
    prefill_s: float | None = None
    """Seconds in which the prompt was read."""
    decode_s: float | None = None
    """Seconds in which the answer was written."""
    energy_j: float | None = None
    """Joules that it added to the idle draw."""
    total_j: float | None = None
    """All joules that the board drew meanwhile."""
    power_w: float | None = None
    """Mean power of the board."""
    end_temp_c: float | None = None
    """Temperature of the hottest zone at the end."""
    seconds_error: float | None = None
    """Relative error of the predicted seconds: 0.1 is a tenth more than it took."""
    energy_error: float | None = None
    """Relative error of the predicted joules."""
    temp_error_c: float | None = None
    """Error of the predicted temperature."""
    failure: str | None = None
    """Why there are no figures."""


class CalibrateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be calibrated, and how thoroughly; `model` None: all, or with `quick` the default.

    `force`: although other programs keep the board busy.
    """

    quick: bool = False
    model: Annotated[str, Meta(min_length=1)] | None = None
    force: bool = False


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far a calibration is. The last event is `calibrated` or `refused`."""

    done: float
    """Share that is done, 0 to 1."""
    doing: str
    """What is being measured."""


class Fitted(msgspec.Struct, frozen=True):
    """One model and thread count after calibration: speeds, powers, and how well they fit."""

    model: str
    """Id of the model."""
    backend: str
    """Library that runs it."""
    threads: int
    """Threads of a pass."""
    gpu_layers: int
    """Layers that the GPU computed."""
    kv_type: str
    """Number format of keys and values."""
    prefill_tokens_per_s: float | None
    """Speed of reading a prompt of 256 tokens."""
    decode_tokens_per_s: float | None
    """Speed of writing."""
    idle_w: float | None
    """Draw of the board at rest."""
    prefill_w: float | None
    """Draw while a prompt is read."""
    decode_w: float | None
    """Draw while an answer is written."""
    quality: str
    """Quality of the watts."""
    runtime_error: float | None
    """Median relative error of the seconds."""
    energy_error: float | None
    """Median relative error of the joules."""


class Calibrated(msgspec.Struct, frozen=True, tag="calibrated"):
    """What a calibration found."""

    board: str | None
    """Id of the board's profile."""
    date: str | None
    """When it was done, as in "2026-01-31T12:00:00Z"; null: never."""
    flop_per_s: float | None
    """Operations a second that the model with the most threads reached."""
    bytes_per_s: float | None
    """Bytes of weights a second that it read."""
    leakage_w: float | None
    """Leakage of the chip at 45 °C."""
    doubling_c: float | None
    """Kelvins that double the leakage."""
    leakage_note: str
    """How well the leakage is known, and why it is not measured."""
    models: list[Fitted]
    """Each model and thread count."""
    leakage_source: LeakageSource = "assumed"
    """Whether the leakage is measured or assumed."""
    simulated: str | None = None
    """The simulated board whose figures these are."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A calibration that is not possible now."""

    reason: str
    """Why it is not."""


class StorageReport(msgspec.Struct, frozen=True):
    """The files that the daemon keeps, and whether they can be written."""

    files: list[str]
    """Names of the files."""
    failing: dict[str, str]
    """Files that cannot be written, and why."""
    aside: list[str]
    """Damaged files that were moved aside, under their new names."""
    free_bytes: int | None
    """Free space of the disk with the state directory; null: not known."""
