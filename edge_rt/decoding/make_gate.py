"""Make the gate that a request asks for."""

from __future__ import annotations

import math
from collections import deque

from edge_rt.core.decoding import GATES, Gating, gates
from edge_rt.core.errors import RequestError
from edge_rt.core.plugins import plugins
from edge_rt.decoding.gate import Gate, GateVerdict, Look, Opening, ShareControl, Writer
from edge_rt.decoding.step_gate import StepGate

_DEFAULTS = {
    "ead": 1.0,  # bits: 0.7 nat, as a mean of five spreads less than its terms
    "step": 0.95,  # nats: GlimpRouter has 0.9 to 1.0
}


class EadGate(Gate):
    """After Entropy Adaptive Decoding (arXiv 2502.06833).

    The measure is the mean entropy, in bits, of the writers' last `window` tokens, each by its
    own writer's distribution; above the threshold the large model writes on, else the small one.
    Tokens are always taken, so a switch comes after the token that shows the need, and at least
    `dwell` tokens are between two switches. Ours: before `window` tokens, the mean is over those
    there are.
    """

    def __init__(self, threshold: float, window: int, dwell: int) -> None:
        self.threshold = threshold
        self._dwell = dwell
        self._bits: deque[float] = deque(maxlen=window)
        self._writer: Writer | None = None
        self._run = dwell  # tokens since the last switch; the first may come at any time

    def looks(self, writer: Writer) -> Look:
        return lambda view: view.entropy / math.log(2.0)

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self._bits.append(seen)
        self.measure = sum(self._bits) / len(self._bits)
        run = 1 if self._switched(writer) else self._run + 1  # with the token judged here
        if run < self._dwell:
            return GateVerdict(take=True, then=writer)
        return GateVerdict(take=True, then="large" if self.measure > self.threshold else "small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        self._run = 1 if self._switched(writer) else self._run + 1
        self._writer = writer
        return None

    def _switched(self, writer: Writer) -> bool:
        return self._writer is not None and writer != self._writer


def make_gate(gating: Gating, seed: int) -> Gate:
    """Return the gate of one answer; `seed` is the answer's, for gates of chance.

    Raises RequestError when there is no such gate; "entropy" does not decide token by token, see
    EntropyGate.
    """
    gate = _base(gating, seed)
    if gating.share is not None:
        gate = ShareControl(gate, gating.share)
    return Opening(gate, gating.first) if gating.first > 0 else gate


def _base(gating: Gating, seed: int) -> Gate:
    if gating.name not in GATES:
        return _of_package(gating, seed)
    unset = gating.threshold is None and gating.share is None
    if gating.name == "ead":
        return EadGate(_threshold(gating), gating.window, gating.dwell)
    if gating.name == "step":
        return StepGate(_threshold(gating), mixture=unset)
    raise RequestError(
        f"the gate {gating.name!r} does not decide token by token", param="edge.mode"
    )


def _of_package(gating: Gating, seed: int) -> Gate:
    """Return the gate of another package, whose entry point is called with the same arguments."""
    point = plugins("edge_rt.gates").get(gating.name)
    if point is None:  # it was there when the request was read
        known = ", ".join(gates())
        raise RequestError(
            f"there is no gate {gating.name!r}; there are {known}", param="edge.mode"
        )
    try:
        gate: object = point.load()(gating, seed)
        if not isinstance(gate, Gate):
            raise TypeError(f"{type(gate).__name__} is no Gate")
    except Exception as error:
        raise RequestError(
            f"the package of the gate {gating.name!r} does not work: {error}. "
            "Have it mended, or choose another gate.",
            param="edge.mode",
        ) from error
    return gate


def _threshold(gating: Gating) -> float:
    return _DEFAULTS[gating.name] if gating.threshold is None else gating.threshold
