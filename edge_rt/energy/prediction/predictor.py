"""What an answer will take in seconds, joules and watts, before it is begun."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from edge_rt.board_model.rates import (
    ROOFLINE_RATIO,
    TIMED_ANSWERS,
    Drift,
    Duration,
    Hardware,
    Rates,
    Timed,
    deviation_of,
    error_ratio_of,
)
from edge_rt.board_model.roofline import Ceilings, ModelShape, board_ceilings
from edge_rt.config.board import Board
from edge_rt.core.routing import Prediction, Served, Unpredicted
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.powers import Watts, board_watts

WAITS = 9  # answers under a constraint, by whose waits a model is judged
OTHERS_RATIO = 0.3  # error to expect of joules by the powers of other models
UNIT = Watts(None, 1.0, 1.0)  # stands in where no power is known: the factor is watts then


@dataclass(frozen=True)
class BoardFigures:
    """What is known of a board; `watts` are of all cores at work, None: not known."""

    hardware: Hardware
    watts: Watts | None = None

    @classmethod
    def of(
        cls, board: Board | None, cores: int, calibrations: Iterable[ModelCalibration], *, gpu: bool
    ) -> BoardFigures:
        """Return the profile's figures, with the ceilings that a calibration has measured.

        `cores` are those of a machine whose profile does not tell.
        """
        cores = max(cores, sum(c.cores for c in board.clusters.values()) if board else 0)
        ceilings = board_ceilings(board, cores, gpu=gpu)
        swept = [(c.threads, c.calibrated_at, c.sweep) for c in calibrations if c.sweep is not None]
        if swept and not gpu:
            *_, sweep = max(swept, key=lambda one: one[:2])
            ceilings = Ceilings(sweep.flop_per_s, sweep.byte_per_s)
        return cls(Hardware(1 if gpu else cores, ceilings, gpu), board_watts(board))


class _Powers:
    """Powers of one model: of its calibrations, else of other models', else of the profile."""

    def __init__(
        self,
        board: BoardFigures,
        own: Iterable[ModelCalibration],
        others: Iterable[ModelCalibration],
    ) -> None:
        """The calibrations come with the newest last."""
        self._board, self._own = board, {c.threads: c for c in own}
        mine = [(c, c.draws) for c in self._own.values() if c.draws is not None]
        measured = [c for c, _ in mine] or [c for c in others if c.draws is not None]
        self._measured = {c.threads: c for c in measured}
        ratio, weight = OTHERS_RATIO if self._measured else ROOFLINE_RATIO, 0.0
        if mine:
            ratio = max(d.error_ratio or c.errors.median_ratio for c, d in mine)
            weight = TIMED_ANSWERS
        self.drift = Drift(deviation_of(ratio), weight)
        self.mask_waits: deque[float] = deque(maxlen=WAITS)  # of latest answers, seconds a token

    def overhead_s(self, threads: int) -> float:
        """Return the seconds of an answer in which the engine does not compute."""
        return _nearest(self._own, threads).overhead_s if self._own else 0.0

    def base(self, threads: int) -> tuple[Watts | None, float | None]:
        """Return the powers with so many threads, and how warm the chip was; None: not known."""
        busy = min(threads, self._board.hardware.cores)
        if not self._measured:
            watts = self._board.watts
            return watts and watts.times(busy / self._board.hardware.cores), None
        found = _nearest(self._measured, threads)
        assert found.draws is not None
        before = min(found.threads, self._board.hardware.cores)
        return found.draws.watts.times(busy / before), found.draws.temp_c


def _nearest(known: Mapping[int, ModelCalibration], threads: int) -> ModelCalibration:
    return known.get(threads) or known[min(known, key=lambda count: abs(count - threads))]


def _dated(calibrations: Iterable[ModelCalibration]) -> list[ModelCalibration]:
    return sorted(calibrations, key=lambda c: c.calibrated_at)


class Predictor:
    """Speeds by the model of the board, and powers that follow what answers took."""

    def __init__(
        self, rates: Rates, leaked_w: Callable[[float | None], float] = lambda _: 0.0
    ) -> None:
        """`leaked_w` tells what the chip leaks at work beyond what it did at a temperature."""
        self.idle_w: float | None = None  # what the board draws idle now; None: as calibrated
        self._rates, self._leaked_w = rates, leaked_w
        self._powers: dict[str, _Powers] = {}

    def know(
        self,
        model: str,
        shape: ModelShape,
        board: BoardFigures,
        calibrations: Iterable[ModelCalibration] = (),
        others: Iterable[ModelCalibration] = (),
    ) -> None:
        """Take a model with its present calibrations, and those of others on the same board.

        What answers taught of it before is forgotten.
        """
        own = _dated(calibrations)
        timed = {c.threads: Timed(c.promise, c.errors.median_ratio) for c in own}
        self._rates.know(model, shape, board.hardware, timed)
        self._powers[model] = _Powers(board, own, _dated(others))

    def predict(
        self,
        model: str,
        threads: int,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        duty: float = 1.0,
        *,
        constrained: bool = False,
    ) -> Prediction | Unpredicted:
        """Return what an answer of `completion_tokens` will take, alone in the engine.

        `cached_tokens` of the prompt are not computed again. `duty` is the share of time that
        the engine may compute. A `constrained` answer waits for masks at the power of decoding, as
        long a token as the median of earlier ones, if there were any.
        """
        if threads < 1 or not 0 < duty <= 1:
            return Unpredicted(f"with {threads} threads and a duty of {duty} it would never end")
        basis = self._rates.basis(model)
        if basis is None:
            return Unpredicted(f"nothing is known of the model {model!r:.80}")
        tokens = prompt_tokens, cached_tokens, completion_tokens
        prefill, decode = self._phases(model, threads, *tokens)
        powers, watts = self._powers[model], self._watts(model, threads)
        waited = powers.mask_waits if constrained else ()
        wait_s = completion_tokens * median(waited) if waited else 0.0
        computing_s = prefill.seconds + decode.seconds
        seconds = computing_s / duty + wait_s + powers.overhead_s(threads)
        spread = prefill.deviation * prefill.seconds + decode.deviation * decode.seconds
        deviation = spread / computing_s
        energy_j = total_j = energy_error = None
        if watts is not None:
            energy_j = watts.added_j(prefill.seconds, decode.seconds + wait_s)
            energy_error = error_ratio_of(math.hypot(deviation, powers.drift.deviation))
            total_j = None if watts.idle_w is None else energy_j + watts.idle_w * seconds
        return Prediction(
            seconds=seconds,
            prefill_s=prefill.seconds / duty,
            decode_s=decode.seconds / duty + wait_s,
            energy_j=energy_j,
            total_j=total_j,
            power_w=None if total_j is None else total_j / seconds,
            error_ratio=error_ratio_of(deviation),
            energy_error_ratio=energy_error,
            basis=basis,
            mask_wait_s=wait_s,
        )

    def learn(self, model: str, threads: int, served: Served) -> None:
        """Take what an answer took; one of a model that is not known teaches nothing."""
        powers = self._powers.get(model)
        if powers is None:
            return
        sizes = _sizes(served.prompt_tokens, served.cached_tokens, served.completion_tokens)
        computed, cached, steps, context = sizes
        if served.mask_wait_s > 0.0:
            powers.mask_waits.append(served.mask_wait_s / max(1, served.completion_tokens))
        decode_s = max(0.0, served.decode_s - served.mask_wait_s)
        self._rates.learn(model, "prefill", threads, 1.0, computed, served.prefill_s, cached)
        self._rates.learn(model, "decode", threads, 1.0, steps, decode_s, context)
        if served.energy_j is not None:
            watts, temp_c = powers.base(threads)
            expected = (watts or UNIT).plus(self._leaked_w(temp_c))
            expected_j = expected.added_j(served.prefill_s, served.decode_s)
            powers.drift.add(served.energy_j, expected_j)

    def _phases(
        self, model: str, threads: int, prompt: int, cached: int, completion: int
    ) -> tuple[Duration, Duration]:
        computed, cached, steps, context = _sizes(prompt, cached, completion)
        prefill = self._rates.seconds(model, "prefill", threads, 1.0, computed, cached)
        decode = self._rates.seconds(model, "decode", threads, 1.0, steps, context)
        assert prefill is not None
        assert decode is not None
        return prefill, decode

    def _watts(self, model: str, threads: int) -> Watts | None:
        """Return the powers of now: warmth, and what the board draws idle; None: not known."""
        powers = self._powers[model]
        watts, temp_c = powers.base(threads)
        if watts is None and not powers.drift.weight:
            return None
        added = (watts or UNIT).plus(self._leaked_w(temp_c)).times(powers.drift.factor)
        return added if self.idle_w is None else replace(added, idle_w=self.idle_w)


def _sizes(prompt: int, cached: int, completion: int) -> tuple[int, int, int, float]:
    """Return the tokens to compute, those before them, the steps, and their mean context.

    The last token of a prompt is always computed, for there are no logits otherwise.
    """
    prompt = max(1, prompt)
    cached = min(max(0, cached), prompt - 1)
    return prompt - cached, cached, max(0, completion - 1), prompt + completion / 2
