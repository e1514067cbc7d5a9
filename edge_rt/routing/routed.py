"""What was chosen for a request, and which requests are of one kind."""

from __future__ import annotations

from typing import NamedTuple

from edge_rt.core.limits import Limits
from edge_rt.core.requests import Cost
from edge_rt.core.routing import SINGLE, LoadConfig
from edge_rt.decoding.params import Mode
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.trace import Trace
from edge_rt.routing.decoding_options import DecodingOption, DecodingOptions


class Routed(NamedTuple):
    """The model that answers, and its mode, None for by itself.

    `why` says why just this one does; `less` tells what is less than usual, as the governor asks.
    `threads` are those of its passes, None: as many as the governor allows; `form` is how the model
    is to be loaded, None: as it is, or else as usual.
    """

    entry: ModelRecord
    why: str
    trace: Trace | None = None
    mode: Mode | None = None
    less: str | None = None
    threads: int | None = None
    form: LoadConfig | None = None
    compared: Cost | None = None  # what comparing the text with examples took, where it was


class Bucket(NamedTuple):
    """A kind of requests: which models may answer them, and tokens in powers of two.

    `smaller` are the models that may answer while the governor asks for smaller ones.
    """

    models: tuple[str, ...]
    smaller: tuple[str, ...]
    prompt: int
    completion: int

    def able(self, limits: Limits) -> tuple[str, ...]:
        """The models that may answer such requests now."""
        return self.smaller if limits.smaller else self.models


def routed(entry: ModelRecord, offer: DecodingOptions, offered: DecodingOption, why: str) -> Routed:
    """`entry` in the mode `offered`, one of those of `offer`."""
    mode = None if offered.mode.name == SINGLE else offered.mode
    return Routed(entry, why, mode=mode, less=offer.why)


def gave_way(trace: Trace, asked: float | None, usual: float, limits: Limits) -> str | None:
    """Say that the answer is below the `usual` quality, since the governor wants a smaller model.

    None if it is not below it, if nothing better was able, or if the request `asked` for a quality.
    """
    chosen = trace.chosen
    if chosen is None or asked is not None or not limits.smaller:
        return None
    able = [row.candidate for row in trace.considered if row.state != "dropped"]
    best = max((one.quality or 0.0 for one in able), default=0.0)
    if (chosen.quality or 0.0) >= min(best, usual):
        return None
    return f"{chosen.setting.variant} answers although others do that better: {limits.why}"
