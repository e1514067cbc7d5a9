"""What a request asks for, and what the board can give now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from edge_rt.core.limits import Limits
from edge_rt.core.routing import LoadConfig, Prefer, Unpredicted
from edge_rt.routing.choice.naming import AUTO
from edge_rt.routing.quality.feedback.learner import Context


@dataclass(frozen=True)
class Tokens:
    """Tokens of a prompt, of these the ones in the KV already, and tokens to expect as answer."""

    prompt: int
    cached: int
    completion: int


@dataclass(frozen=True)
class Ask:
    """One request; what is None is not asked for.

    `tokens` are by variant, as each has a tokenizer and a KV of its own, or why they are not
    known. `latency_s` are the seconds left to the end of the answer, `energy_j` what it may add to
    what the board draws anyway. `constraint` is the kind that the answer has to be held to, and
    `unfit` tells by variant why it cannot decode in the mode asked for. `quality` is the least
    probability that the answer is good enough, as long as anything has it. `context` tells which
    prompts are like its own, None: nobody has looked.
    """

    tokens: Mapping[str, Tokens | Unpredicted]
    model: str = AUTO
    prefer: Prefer = "energy"
    latency_s: float | None = None
    energy_j: float | None = None
    quality: float | None = None
    context: Context | None = None
    constraint: str | None = None
    unfit: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Now:
    """The board when a request comes.

    `threads` are the numbers to choose from with any variant, `usable_bytes` what models may take,
    all together and those included that are loaded. `loaded` are the forms of loaded variants,
    `in_use` the bytes of those that are at work and have to stay as they are.
    """

    limits: Limits
    threads: Collection[int]
    usable_bytes: float
    loaded: Mapping[str, LoadConfig] = field(default_factory=dict[str, LoadConfig])
    in_use: Mapping[str, float] = field(default_factory=dict[str, float])
