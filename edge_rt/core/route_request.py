"""How a request wants to be served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Prefer = Literal["energy", "latency", "quality"]

Write = Callable[[str], Awaitable[str | list[int]]]
"""The prompt as the model of an id reads it; raises RequestError where it cannot."""


class Objectives(NamedTuple):
    """What to choose a model by, and what the answer may take; see Ask. None: nothing is said.

    `quality` is the least probability that the answer is good enough.
    """

    prefer: Prefer | None = None
    latency_s: float | None = None
    energy_j: float | None = None
    quality: float | None = None


class DecodingRequest(NamedTuple):
    """How tokens are to be decided on; None: as is usual for the model.

    `name` is one of models.pair.MODES, or "switch" with whichever gate is usual. `partner` is the
    id of the smaller model, and the rest is set as in a Gating.
    """

    name: str | None = None
    partner: str | None = None
    large_share: float | None = None
    threshold: float | None = None
    first: int | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is wished for: then it is done, or the request fails."""
        return self != DecodingRequest()


@dataclass(frozen=True)
class RouteRequest:
    """All that the choice of a model depends on.

    `text` is what is asked, as far as it tells how hard that is; "" where nobody can say. `id` is
    that of the answer to come, by which the trace of the choice is kept, and `trace` tells
    whether the answer is to hold it. `max_tokens` None: as many as come.
    """

    id: str
    model: str
    write: Write
    max_tokens: int | None = None
    ignore_eos: bool = False
    aims: Objectives = Objectives()  # noqa: RUF009 - a tuple
    trace: bool = False
    mode: DecodingRequest = DecodingRequest()  # noqa: RUF009 - a tuple
    text: str = ""
