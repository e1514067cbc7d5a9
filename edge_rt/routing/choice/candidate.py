"""One way to serve a request, with what it would take."""

from __future__ import annotations

import msgspec

from edge_rt.core.routing import Basis, Setting
from edge_rt.routing.quality.feedback.learner import Learnt


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and its figures for one request; None: not known.

    `seconds` go from now to the last token, loading included, `energy_j` is what that adds to what
    the board draws anyway, and `power_w` the board's mean meanwhile. `quality` is the probability
    that the answer is good enough, `cpq` the memory pressure with it loaded. About half of all
    answers come within the error ratios, which say what the joules and seconds may be off by.
    `age_s` is the time since it was measured. All of that is with what was `learnt`, None: nobody
    has looked. `file` is of what its answers are made; see Key.
    """

    setting: Setting
    backend: str
    quantisation: str
    context: int
    quality: float | None
    cpq: float | None  # None: models may have no memory at all
    loaded: bool
    age_s: float | None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    load_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    seconds: float | None = None
    energy_j: float | None = None
    power_w: float | None = None
    error_ratio: float | None = None
    energy_error_ratio: float | None = None
    basis: Basis | None = None
    learnt: Learnt | None = None
    file: str = ""
