"""What a balancer over several boards has to know of one."""

from __future__ import annotations

import msgspec

from edge_rt.core.reports.governor import Admission


class ModelLoad(msgspec.Struct, frozen=True):
    """A model that writes text, and what a usual answer by it takes now.

    That answer has 128 tokens, its prompt 256, and it has the engine to itself.
    """

    id: str
    """Id of the model."""
    resident: bool
    """Whether it is in memory."""
    token_s: float | None
    """Seconds of the whole answer for each of its tokens; null: not known."""
    token_j: float | None
    """Joules above the idle draw for each of its tokens; null: not known."""


class LoadReport(msgspec.Struct, frozen=True):
    """Draw and allowance of the board, its queue, and the cost of a token; null: not known."""

    power_w: float | None
    """Power of the supply."""
    idle_w: float | None
    """Draw while the engine has nothing to do."""
    working_w: float | None
    """Draw at the limits in force, with the engine at work."""
    allowance_w: float | None
    """Watts that the board may draw now; null: nothing binds."""
    admission: Admission
    """What happens to new requests."""
    retry_after_s: float | None
    """Seconds after which a refused request may be sent again; null: it is not refused now."""
    requests: int
    """Requests that wait or run."""
    queued: int
    """Requests among these that wait for the governor."""
    sequences: int
    """Answers that are made at once."""
    models: list[ModelLoad]
    """Every model that writes text."""
    simulated: str | None = None
    """The simulated board whose figures these are."""
