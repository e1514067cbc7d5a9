"""How fast models read prompts and decode at a setting, learnt in this one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_rt.board_model.roofline import Ceilings, ModelShape, Roofline
from edge_rt.board_model.runtime import Runtime
from edge_rt.core.routing import Basis

Phase = Literal["prefill", "decode"]

MEMORY: Mapping[Phase, float] = {"prefill": 0.03, "decode": 0.25}
"""m, the share of a pass at one thread that waits for memory, on cores."""
GPU_MEMORY = 2.0  # times that on a GPU, which computes faster
ROOFLINE_RATIO = 1.0  # error to expect of ceilings: half or twice as long
SCALED = 0.3  # deviation of the logarithm of a scaling, over the logarithm of that
HALF = 0.6745  # of a normal deviation, within which half of all values lie
KEPT = 0.8  # of the weight of what came before, at each answer
TIMED_ANSWERS = 2.0  # weight of a calibration
WILD = 3.0  # deviations; what is further off counts as no more
LEAST = 0.05  # deviation of answers whose speed does not vary, as far as is known
FEW = 4  # tokens of a phase, below which what goes on around passes counts for more than they do


def deviation_of(error_ratio: float) -> float:
    """Return the standard deviation of log errors, half of which stay within log(1 + ratio)."""
    return math.log1p(error_ratio) / HALF


def error_ratio_of(deviation: float) -> float:
    """Return the error that half of all answers stay within: 0.1 is up to 1.1 times as much."""
    return math.expm1(HALF * deviation)


@dataclass
class Drift:
    """The mean of log(came / expected), each answer with KEPT of the weight of the next.

    `deviation` is that of the latest answers from the mean before them.
    """

    deviation: float
    weight: float = 0.0
    mean: float = 0.0

    @property
    def factor(self) -> float:
        """The factor on what is expected."""
        return math.exp(self.mean)

    def add(self, came: float, expected: float) -> None:
        """Take an answer; one that is not above 0 teaches nothing."""
        if not (0.0 < came < math.inf and 0.0 < expected < math.inf):
            return
        error = math.log(came) - math.log(expected) - self.mean
        if self.weight == 0.0:  # it tells nothing of how far answers lie apart
            self.mean, self.weight = error, 1.0
            return
        most = WILD * max(LEAST, self.deviation)
        error = min(most, max(-most, error))
        self.weight = KEPT * self.weight + 1.0
        self.mean += error / self.weight
        self.deviation = math.sqrt(self.deviation**2 + (error**2 - self.deviation**2) / self.weight)


@dataclass(frozen=True)
class Hardware:
    """The number of cores and their common ceilings; `cores` is 1 where a GPU computes."""

    cores: int
    ceilings: Ceilings
    gpu: bool = False

    def pass_s(self, phase: Phase, threads: int, clock: float) -> float:
        """Return m + (1 - m)/(n·f), with n threads at the share f of the top clock (Amdahl)."""
        memory = MEMORY[phase] * (GPU_MEMORY if self.gpu else 1.0)
        return memory + (1.0 - memory) / (max(1, min(threads, self.cores)) * clock)


@dataclass(frozen=True)
class Timed:
    """A calibration with some number of threads, and the error to expect of it."""

    runtime: Runtime
    error_ratio: float


@dataclass(frozen=True)
class Duration:
    """Seconds of computing, and the standard deviation of their logarithm."""

    seconds: float
    deviation: float


class _Model:
    """What is known of one model, and how the board has drifted from it."""

    def __init__(self, shape: ModelShape, hardware: Hardware, timed: Mapping[int, Timed]) -> None:
        self.hardware, self.timed = hardware, timed
        self.roofline = Roofline(shape, hardware.ceilings)
        ratio = max((one.error_ratio for one in timed.values()), default=ROOFLINE_RATIO)
        weight = TIMED_ANSWERS if timed else 0.0
        self.drifts: dict[Phase, Drift] = {
            phase: Drift(deviation_of(ratio), weight) for phase in MEMORY
        }

    def expected(
        self, phase: Phase, threads: int, clock: float, tokens: float, context: float
    ) -> Duration:
        """Return what the nearest timing tells, else the roofline; the deviation is of scaling."""
        nearest = min(self.timed, key=lambda known: abs(known - threads), default=None)
        source = self.roofline if nearest is None else self.timed[nearest].runtime
        known = source.prefill_s if phase == "prefill" else source.decode_s
        top = self.hardware.cores if nearest is None else nearest
        slower = self.hardware.pass_s(phase, threads, clock)
        slower /= self.hardware.pass_s(phase, top, 1.0)
        doubt = 0.0 if nearest is None else SCALED * abs(math.log(slower))
        return Duration(slower * known(tokens, context), doubt)


class Rates:
    """Seconds by model, phase and setting.

    They begin with the roofline and Amdahl's law, or with the calibration for the nearest number
    of threads, and follow what answers took: one factor for each model and phase, since what slows
    a board down slows all of its settings.
    """

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}

    def know(
        self, model: str, shape: ModelShape, hardware: Hardware, timed: Mapping[int, Timed]
    ) -> None:
        """Take a model under a name, with its calibrations by threads; forget its answers."""
        self._models[model] = _Model(shape, hardware, timed)

    def basis(self, model: str) -> Basis | None:
        """Return what the figures of a model rest on; None: it is not known."""
        known = self._models.get(model)
        if known is None or known.timed:
            return known and "calibrated"
        return "learnt" if any(drift.weight for drift in known.drifts.values()) else "roofline"

    def seconds(
        self,
        model: str,
        phase: Phase,
        threads: int,
        clock: float = 1.0,
        tokens: float = 1.0,
        context: float = 0.0,
    ) -> Duration | None:
        """Return what it takes to read or write `tokens` alone in the engine; None: not known.

        `clock` is the share of the top clock, `context` what the tokens look back at: those before
        a prompt, or the mean over an answer.
        """
        known = self._models.get(model)
        if known is None:
            return None
        drift = known.drifts[phase]
        expected = known.expected(phase, threads, clock, tokens, context)
        deviation = math.hypot(drift.deviation, expected.deviation)
        return Duration(drift.factor * expected.seconds, deviation)

    def learn(
        self,
        model: str,
        phase: Phase,
        threads: int,
        clock: float,
        tokens: float,
        seconds: float,
        context: float = 0.0,
    ) -> None:
        """Take the seconds that `tokens` took alone; fewer than FEW, or of no known model: none."""
        known = self._models.get(model)
        if known is not None and tokens >= FEW:
            expected = known.expected(phase, threads, clock, tokens, context)
            known.drifts[phase].add(seconds, expected.seconds)
