"""Make the gate that a request asks for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from edge_rt.core.errors import RequestError
from edge_rt.core.plugins import plugins
from edge_rt.decoding.distribution import DOUBT_TOKENS
from edge_rt.decoding.drafts import Relaxed
from edge_rt.decoding.gate import Gate, GateVerdict, Look, Opening, ShareControl, Writer
from edge_rt.decoding.params import EARLY, Gating, gates
from edge_rt.decoding.step_gate import StepGate


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


_RELEASE = 0.5  # of the threshold: where trouble is over, and not where it begins


class HysteresisGate(Gate):
    """The large model comes in at once, and goes when it has been sure for a while. Ours.

    The measure is the small model's entropy in nats, and twice the mean of the large one's over
    its own last `window` tokens. A token of the small model above the threshold is discarded and
    the large one writes in its place (as in R-Stitch, arXiv 2507.17307), until that mean is at
    most half the threshold (a mean as in Entropy Adaptive Decoding, arXiv 2502.06833).
    """

    def __init__(self, threshold: float, window: int) -> None:
        self.threshold = threshold
        self._nats: deque[float] = deque(maxlen=window)

    def looks(self, writer: Writer) -> Look:
        return lambda view: view.entropy

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        if writer == "large":
            return self._stay(seen)
        self._nats.clear()
        self.measure = seen
        if self.measure > self.threshold:
            return GateVerdict(take=False, then="large")
        return GateVerdict(take=True, then="small")

    def _stay(self, nats: float) -> GateVerdict:
        self._nats.append(nats)
        self.measure = sum(self._nats) / len(self._nats) / _RELEASE
        calm = len(self._nats) == self._nats.maxlen and self.measure <= self.threshold
        return GateVerdict(take=True, then="small" if calm else "large")


class TokenGate(Gate):
    """After R-Stitch (arXiv 2507.17307): the large model replaces each token of high entropy.

    The measure is the entropy over the logarithm of the vocabulary's size, 0 to 1. Above the
    threshold a token of the small model is discarded and the large one writes in its place; that
    keeps control until its own value is not above the threshold. No window, no dwell.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def looks(self, writer: Writer) -> Look:
        return lambda view: view.entropy / math.log(max(view.vocab, 2))

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self.measure = seen
        if seen <= self.threshold:
            return GateVerdict(take=True, then="small")
        return GateVerdict(take=writer == "large", then="large")


# A 0.5B model, teacher-forced beside a 1.5B one, was as good as it on GSM8K up to 0.5 nat (53 %
# of the tokens) and on HumanEval up to 1 nat (93 %); up to 1 nat GSM8K lost under 1 % of top-1.
_NATS = 1.0
_DEFAULTS = {
    "ead": 1.0,  # bits: 0.7 nat, as a mean of five spreads less than its terms
    "token": 0.084,  # of ln(vocabulary): 1 nat of the 151,936 tokens of Qwen2.5
    "hysteresis": _NATS,
    "step": 0.95,  # nats: GlimpRouter has 0.9 to 1.0
    "verify": math.log(1.0 / 0.3),  # nats: at least 0.3 times as likely as the likeliest
    EARLY: 2.5,  # of Doubt.score: half of 175 longer answers to test questions had more
}


def make_gate(gating: Gating, seed: int) -> Gate:
    """The gate of one answer; `seed` is the answer's, for gates of chance.

    Raises RequestError when there is no such gate. "verify" is no gate but a rule of acceptance:
    see make_rule; "early" is a course of its own: see early_at.
    """
    gate = _base(gating, seed)
    if gating.share is not None:
        gate = ShareControl(gate, gating.share)
    return Opening(gate, gating.first) if gating.first > 0 else gate


def make_rule(gating: Gating) -> Relaxed:
    """The rule of acceptance of the gate "verify".

    `first` is not its concern: who drafts must not begin before.
    """
    return Relaxed(_threshold(gating), gating.share)


def early_at(gating: Gating) -> tuple[float, int]:
    """Above which doubt of how many first tokens the large model takes over.

    The doubt is a score, see Doubt.
    """
    return _threshold(gating), gating.first or DOUBT_TOKENS


def _base(gating: Gating, seed: int) -> Gate:
    if gating.name not in _DEFAULTS:
        return _of_package(gating, seed)
    threshold = _threshold(gating)
    unset = gating.threshold is None and gating.share is None
    makers: dict[str, Callable[[], Gate]] = {
        "ead": lambda: EadGate(threshold, gating.window, gating.dwell),
        "token": lambda: TokenGate(threshold),
        "hysteresis": lambda: HysteresisGate(threshold, gating.window),
        "step": lambda: StepGate(threshold, mixture=unset),
    }
    if gating.name not in makers:
        raise RequestError(
            f"the gate {gating.name!r} does not decide token by token", param="edge.mode"
        )
    return makers[gating.name]()


def _of_package(gating: Gating, seed: int) -> Gate:
    """The gate of another package, whose entry point is called with the same arguments."""
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
