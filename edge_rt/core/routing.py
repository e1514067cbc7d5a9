"""Route requests, load configurations, and the predicted cost of each choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.decoding import Made

SINGLE = "single"


class LoadConfig(NamedTuple):
    """How a file is loaded. `kv_type` is the backend's word for how it keeps keys and values."""

    gpu_layers: int
    kv_type: str


class RunConfig(msgspec.Struct, frozen=True):
    """A file of the store with all that is chosen about running it.

    `mode` is how tokens are decided on; "single" is one model by itself, others may take a smaller
    `partner`.
    """

    variant: str
    threads: int
    gpu_layers: int
    mode: str
    kv_type: str
    partner: str | None = None

    @property
    def load(self) -> LoadConfig:
        """How the file is loaded."""
        return LoadConfig(self.gpu_layers, self.kv_type)

    def __str__(self) -> str:
        """Return it in words for people, without what is as usual."""
        words = f"{self.variant} with {self.threads} thread{'s' * (self.threads != 1)}"
        if self.gpu_layers:
            words += f", {self.gpu_layers} layers on the GPU"
        words = words if self.mode == SINGLE else f"{words}, {self.mode}"
        return words if self.partner is None else f"{words} with {self.partner}"


class RequestTokens(NamedTuple):
    """Tokens of a prompt, of these the ones in the KV already, and tokens to expect as answer."""

    prompt: int
    cached: int
    completion: int


USUAL_TOKENS = RequestTokens(256, 0, 128)  # where no request is given


Basis = Literal["calibrated", "learnt", "roofline"]


@dataclass(frozen=True)
class Prediction:
    """Seconds from the engine's start on the prompt to the last token, and what they cost.

    `energy_j` is what the answer adds, `total_j` the board's whole meanwhile and `power_w` its
    mean; None where not known. About half of all answers come within `error_ratio`: 0.1 is up to
    1.1 times as long, or as short. `energy_error_ratio` says the same of `energy_j`. In
    `mask_wait_s` of the seconds an answer under a constraint waits for the tokens that may come
    next.
    """

    seconds: float
    prefill_s: float
    decode_s: float
    energy_j: float | None
    total_j: float | None
    power_w: float | None
    error_ratio: float
    energy_error_ratio: float | None
    basis: Basis
    mask_wait_s: float = 0.0


@dataclass(frozen=True)
class Unpredicted:
    """The reason why there is no prediction."""

    reason: str


@dataclass(frozen=True)
class Served:
    """One answer that had the engine to itself, in seconds of computing.

    `energy_j` is what it added to what the board draws anyway; None where that is not known.
    `mask_wait_s` is as in Prediction, and `made` tells how two models made it.
    """

    prompt_tokens: int  # cached ones included
    cached_tokens: int
    completion_tokens: int
    prefill_s: float
    decode_s: float
    energy_j: float | None = None
    mask_wait_s: float = 0.0
    made: Made | None = None


Prefer = Literal["energy", "latency", "quality"]


class Objectives(NamedTuple):
    """What to choose a model by, and what the answer may take; see Ask. None: nothing is said.

    `quality` is the least published figure of the model.
    """

    prefer: Prefer | None = None
    latency_s: float | None = None
    energy_j: float | None = None
    quality: float | None = None


class DecodingRequest(NamedTuple):
    """How tokens are to be decided on; None: as is usual for the model.

    `name` is one of models.pair.MODES, `partner` the id of the smaller model, and the rest is set
    as in a Gating.
    """

    name: str | None = None
    partner: str | None = None
    large_share: float | None = None
    threshold: float | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is wished for: then it is done, or the request fails."""
        return self != DecodingRequest()


@dataclass(frozen=True)
class RouteRequest:
    """All that the choice of a model depends on.

    `id` is that of the answer to come, by which the trace of the choice is kept, and `trace` tells
    whether the answer is to hold it. Of several prompts, `prompt` is the longest; chats of one
    `client` take turns with those of others. `max_tokens` None: as many as come. `constrained`: the
    answer is under a constraint, or may be. `own_tokens`: the request names tokens by their ids.
    `sees` is the field with an image, which no model can answer that sees none.
    """

    id: str
    model: str
    prompt: ChatPrompt | str | list[int]
    max_tokens: int | None = None
    ignore_eos: bool = False
    objectives: Objectives = Objectives()  # noqa: RUF009 - a tuple
    trace: bool = False
    mode: DecodingRequest = DecodingRequest()  # noqa: RUF009 - a tuple
    constrained: bool = False
    own_tokens: bool = False
    client: str | None = None
    sees: str | None = None
