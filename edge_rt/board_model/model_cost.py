"""What a model costs on the board, in seconds and joules, learnt in this one place."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

from edge_rt.board_model.calibration import ModelCalibration
from edge_rt.board_model.drift import Drift, deviation_of, error_ratio_of
from edge_rt.board_model.roofline import (
    KERNELS,
    NO_GPU,
    Ceilings,
    GpuSeconds,
    ModelShape,
    board_ceilings,
    roofline,
)
from edge_rt.board_model.watts import Watts, board_watts
from edge_rt.config.board import Board
from edge_rt.core.routing import Basis, Prediction, RequestTokens, Served

Phase = Literal["prefill", "decode"]

MEMORY: Mapping[Phase, float] = {"prefill": 0.03, "decode": 0.25}
"""m, the share of a pass at one thread that waits for memory."""
PROFILE_RATIO = 0.15  # error to expect of a profile's ceilings and watts: see `tools/eval suggest`
GUESS_RATIO = 1.0  # and where the memory's speed is not known: half or twice
OTHERS_RATIO = 0.3  # error to expect of joules by the powers of other models
SCALED = 0.3  # deviation of the logarithm of a scaling, over the logarithm of that
TIMED_ANSWERS = 2.0  # weight of a calibration
FEW = 4  # tokens of a phase, below which what goes on around passes counts for more than they do
WAITS = 9  # answers under a constraint, by whose waits a model is judged
UNIT = Watts(None, 1.0, 1.0)  # stands in where no power is known: the factor is watts then


def amdahl(memory: float, speed: float) -> float:
    """Return m + (1 - m)/s, the time of a pass at s times the speed of one core over that there.

    `memory` is m, the share of a pass that waits for memory (Amdahl's law).
    """
    return memory + (1.0 - memory) / speed


@dataclass(frozen=True)
class BoardFigures:
    """What is known of a board; `cores` is 1 where a GPU computes.

    `watts` are those of all cores at work; None: not known. `error_ratio` is the error to expect of
    all this where nothing is calibrated.
    """

    cores: int
    ceilings: Ceilings
    watts: Watts | None = None
    gpu: GpuSeconds = NO_GPU
    error_ratio: float = GUESS_RATIO

    @classmethod
    def of(
        cls,
        board: Board | None,
        cores: int,
        calibrations: Iterable[ModelCalibration],
        *,
        gpu: bool,
        mode: str | None = None,
    ) -> BoardFigures:
        """Return the profile's figures, with the ceilings that a timed model has reached.

        `cores` are those of a machine whose profile does not tell. `mode` is the board's power
        mode; None: the profile's default one.
        """
        cores = max(cores, sum(c.cores for c in board.clusters.values()) if board else 0)
        ceilings = board_ceilings(board, cores, gpu=gpu, mode=mode)
        seconds = KERNELS.seconds(board, mode) if gpu else None
        memory = None if board is None else board.memory
        told = memory and (memory.bandwidth_bytes_per_s or memory.reached_bandwidth_bytes_per_s)
        swept = [(c.threads, c.calibrated_at, c.sweep) for c in calibrations if c.sweep is not None]
        if swept and not gpu:
            *_, ceilings = max(swept, key=lambda one: one[:2])
        return cls(
            cores=1 if gpu else cores,
            ceilings=ceilings,
            watts=board_watts(board, gpu=gpu, mode=mode),
            gpu=seconds or NO_GPU,
            error_ratio=PROFILE_RATIO if told and (seconds or not gpu) else GUESS_RATIO,
        )

    def pass_s(self, phase: Phase, threads: int) -> float:
        """Return the time of a pass with so many threads over that with one."""
        return amdahl(MEMORY[phase], self.busy(threads))

    def busy(self, threads: int) -> int:
        """Return the cores that so many threads keep busy."""
        return max(1, min(threads, self.cores))


@dataclass(frozen=True)
class Duration:
    """Seconds of computing, and the standard deviation of their logarithm."""

    seconds: float
    deviation: float


class ModelCost:
    """Seconds by phase and threads, and the watts meanwhile, of one model.

    They begin with the calibration for the nearest number of threads, or with the roofline and what
    other models draw, and scale with threads by Amdahl's law. They follow what answers took: one
    factor for each phase and one for the watts, since what slows a board down slows all of its
    settings.
    """

    def __init__(
        self,
        shape: ModelShape,
        board: BoardFigures,
        calibrations: Iterable[ModelCalibration] = (),
        others: Iterable[ModelCalibration] = (),
    ) -> None:
        """Take the model's present calibrations, and those of others on the same board."""
        own = sorted(calibrations, key=_date)
        self._board, self._roofline = board, roofline(shape, board.ceilings, board.gpu)
        self._timed = {c.threads: c.promise for c in own}
        ratio = max((c.error_ratio for c in own), default=board.error_ratio)
        weight = TIMED_ANSWERS if own else 0.0
        self._pace = {phase: Drift(deviation_of(ratio), weight) for phase in MEMORY}
        self._watts, self._draw = _powers(own, sorted(others, key=_date), board)
        self._mask_waits: deque[float] = deque(maxlen=WAITS)  # of latest answers, seconds a token

    @property
    def basis(self) -> Basis:
        """What the figures rest on."""
        if self._timed:
            return "calibrated"
        return "learnt" if any(drift.weight for drift in self._pace.values()) else "roofline"

    def seconds(self, phase: Phase, threads: int, tokens: float, context: float = 0.0) -> Duration:
        """Return what it takes to read or write `tokens` alone in the engine.

        `context` is what they look back at: the tokens before a prompt, or the mean over an answer.
        """
        expected, drift = self._expected(phase, threads, tokens, context), self._pace[phase]
        deviation = math.hypot(drift.deviation, expected.deviation)
        return Duration(drift.factor * expected.seconds, deviation)

    def watts(self, threads: int) -> Watts | None:
        """Return the watts with so many threads; None: not known."""
        if not self._watts and not self._draw.weight:
            return None
        return self._expected_watts(threads).times(self._draw.factor)

    def predict(
        self,
        threads: int,
        tokens: RequestTokens,
        duty: float = 1.0,
        idle_w: float | None = None,
        *,
        constrained: bool = False,
    ) -> Prediction:
        """Return what an answer will take, alone in the engine.

        `duty` is the share of time that the engine may compute, and `idle_w` what the board draws
        idle now, None: as calibrated. A `constrained` answer waits for masks at the power of
        decoding, as long a token as the median of earlier ones, if there were any.
        """
        computed, cached, steps, context = _sizes(*tokens)
        prefill = self.seconds("prefill", threads, computed, cached)
        decode = self.seconds("decode", threads, steps, context)
        waited = self._mask_waits if constrained else ()
        wait_s = tokens.completion * median(waited) if waited else 0.0
        computing_s = prefill.seconds + decode.seconds
        seconds = computing_s / duty + wait_s
        spread = prefill.deviation * prefill.seconds + decode.deviation * decode.seconds
        deviation, watts = spread / computing_s, self.watts(threads)
        energy_j = total_j = energy_error = None
        if watts is not None:
            idle_w = watts.idle_w if idle_w is None else idle_w
            energy_j = watts.added_j(prefill.seconds, decode.seconds + wait_s)
            energy_error = error_ratio_of(math.hypot(deviation, self._draw.deviation))
            total_j = None if idle_w is None else energy_j + idle_w * seconds
        return Prediction(
            seconds=seconds,
            prefill_s=prefill.seconds / duty,
            decode_s=decode.seconds / duty + wait_s,
            energy_j=energy_j,
            total_j=total_j,
            power_w=None if total_j is None else total_j / seconds,
            error_ratio=error_ratio_of(deviation),
            energy_error_ratio=energy_error,
            basis=self.basis,
            mask_wait_s=wait_s,
        )

    def learn(self, threads: int, served: Served) -> None:
        """Take what an answer took; a phase of fewer than FEW tokens teaches nothing."""
        tokens = served.prompt_tokens, served.cached_tokens, served.completion_tokens
        computed, cached, steps, context = _sizes(*tokens)
        if served.mask_wait_s > 0.0:
            self._mask_waits.append(served.mask_wait_s / max(1, served.completion_tokens))
        decode_s = max(0.0, served.decode_s - served.mask_wait_s)
        if computed >= FEW:
            expected = self._expected("prefill", threads, computed, cached)
            self._pace["prefill"].add(served.prefill_s, expected.seconds)
        if steps >= FEW:
            expected = self._expected("decode", threads, steps, context)
            self._pace["decode"].add(decode_s, expected.seconds)
        if served.energy_j is not None:
            watts = self._expected_watts(threads)
            self._draw.add(served.energy_j, watts.added_j(served.prefill_s, served.decode_s))

    def _expected(self, phase: Phase, threads: int, tokens: float, context: float) -> Duration:
        """Return what the nearest timing tells, else the roofline; the deviation is of scaling."""
        nearest = _nearest(self._timed, threads)
        source = self._roofline if nearest is None else self._timed[nearest]
        known = source.prefill_s if phase == "prefill" else source.decode_s
        top = self._board.cores if nearest is None else nearest
        slower = self._board.pass_s(phase, threads) / self._board.pass_s(phase, top)
        doubt = 0.0 if nearest is None else SCALED * abs(math.log(slower))
        return Duration(slower * known(tokens, context), doubt)

    def _expected_watts(self, threads: int) -> Watts:
        """Return the watts of the nearest number of threads, in proportion to the busy cores."""
        nearest = _nearest(self._watts, threads)
        if nearest is None:
            return UNIT
        return self._watts[nearest].times(self._board.busy(threads) / self._board.busy(nearest))


def _powers(
    own: Iterable[ModelCalibration], others: Iterable[ModelCalibration], board: BoardFigures
) -> tuple[dict[int, Watts], Drift]:
    """Return watts by threads, and what they are corrected by.

    They are the model's own, else those of other models, else the profile's with all cores.
    """
    mine = {c.threads: c.draws.watts for c in own if c.draws is not None}
    theirs = {c.threads: c.draws.watts for c in others if c.draws is not None}
    profile = {} if board.watts is None else {board.cores: board.watts}
    if not mine:
        ratio = OTHERS_RATIO if theirs else board.error_ratio
        return theirs or profile, Drift(deviation_of(ratio))
    errors = [c.draws.error_ratio or c.error_ratio for c in own if c.draws is not None]
    return mine, Drift(deviation_of(max(errors)), TIMED_ANSWERS)


def _nearest(known: Iterable[int], threads: int) -> int | None:
    return min(known, key=lambda count: abs(count - threads), default=None)


def _date(found: ModelCalibration) -> float:
    return found.calibrated_at.timestamp()


def _sizes(prompt: int, cached: int, completion: int) -> tuple[int, int, int, float]:
    """Return the tokens to compute, those before them, the steps, and their mean context.

    The last token of a prompt is always computed, for there are no logits otherwise.
    """
    prompt = max(1, prompt)
    cached = min(max(0, cached), prompt - 1)
    return prompt - cached, cached, max(0, completion - 1), prompt + completion / 2
