"""What differs between the endpoints that generate: the documents they answer with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from edge_rt.api.generation.usage import Edge, Usage
from edge_rt.decoding.params import TokenLogprob


@dataclass
class Answer:
    """One answer while it is being collected."""

    texts: list[str] = field(default_factory=list[str])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    reason: str = ""  # empty until it has ended

    @property
    def text(self) -> str:
        """What there is of it."""
        return "".join(self.texts)


class Dialect(Protocol):
    """Turns one request's events into documents; `choice` counts its answers from 0."""

    wants_logprobs: bool

    def opening(self, choice: int) -> msgspec.Struct | None:
        """The chunk that a choice of a stream begins with, if any."""
        ...

    def piece(self, choice: int, text: str, logprobs: list[TokenLogprob]) -> msgspec.Struct:
        """The chunk for new text."""
        ...

    def ending(self, choice: int, reason: str, edge: Edge | None) -> msgspec.Struct:
        """The chunk that ends a choice; `edge` comes with the last one."""
        ...

    def summary(self, usage: Usage, edge: Edge) -> msgspec.Struct:
        """The chunk of usage after all choices."""
        ...

    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> msgspec.Struct:
        """The document that is not streamed."""
        ...
