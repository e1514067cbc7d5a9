"""What was chosen for a request, and which requests are of one kind."""

from __future__ import annotations

from typing import NamedTuple

from edge_rt.api.service import Cost
from edge_rt.daemon.offers import Offer, Offered
from edge_rt.decoding.params import Mode
from edge_rt.models.entry import Entry
from edge_rt.routing.setting import SINGLE, Form
from edge_rt.routing.trace import Trace


class Routed(NamedTuple):
    """The model that answers, and its mode, None for by itself.

    `why` says why just this one does; `less` tells what the governor had changed.
    `threads` are those of its passes, None: as many as the governor allows; `form` is how the model
    is to be loaded, None: as it is, or else as usual.
    """

    entry: Entry
    why: str
    trace: Trace | None = None
    mode: Mode | None = None
    less: str | None = None
    threads: int | None = None
    form: Form | None = None
    compared: Cost | None = None  # what comparing the text with examples took, where it was


class Bucket(NamedTuple):
    """A kind of requests: which models may answer them, and tokens in powers of two."""

    models: tuple[str, ...]
    prompt: int
    completion: int


def routed(
    entry: Entry,
    offer: Offer,
    offered: Offered,
    why: str,
    trace: Trace | None = None,
    compared: Cost | None = None,
) -> Routed:
    """`entry` in the mode `offered`, one of those of `offer`."""
    mode = None if offered.mode.name == SINGLE else offered.mode
    return Routed(entry, why, trace, mode, offer.why, compared=compared)
