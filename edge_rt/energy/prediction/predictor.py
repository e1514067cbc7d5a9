"""What an answer will take in seconds, joules and watts, before it is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median

from edge_rt.core.routing import USUAL_TOKENS, Basis, Prediction, Served, Unpredicted
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.basis import Base, Bases, Hardware
from edge_rt.energy.prediction.equation import Warmth, Watts, spend
from edge_rt.energy.prediction.history import PredictionHistory, factor, miss
from edge_rt.energy.prediction.roofline import ModelShape

UNIT = Watts(None, 1.0, 1.0)  # stands in where a base knows no watts: factors are watts then
_FIRM = (1.0, 1.0)  # a calibration counts as two answers that came as it said

Pick = Callable[[PredictionHistory], list[float]]
_PICKS: tuple[Pick, ...] = (lambda h: h.prefill, lambda h: h.decode, lambda h: h.watts)


@dataclass(frozen=True)
class Estimate:
    """A base with factors on seconds and watts; `watts` hold theirs already, None: not known."""

    base: Base
    basis: Basis
    prefill: float
    decode: float
    draw: float
    watts: Watts | None
    error_ratio: float
    energy_error_ratio: float

    def phases_s(self, prompt: int, cached: int, completion: int) -> tuple[float, float]:
        """Seconds of computing for the prompt and for the answer."""
        prefill_s, decode_s = self.base.phases_s(prompt, cached, completion)
        return self.prefill * prefill_s, self.decode * decode_s


class Estimates:
    """Factors by model and threads.

    What has none of its own yet takes those of the same model with the nearest number of threads;
    what was not calibrated either, the middle of other models on the same board.
    """

    def __init__(self, bases: Bases) -> None:
        self._bases = bases
        self._histories: dict[tuple[str, int], PredictionHistory] = {}
        # What was worked out already, by model and threads: a choice among many asks for all.
        self._found: dict[tuple[str, int], Estimate | None] = {}
        self._alike: set[tuple[str, int]] = set()  # of these, the ones that rest on other models
        self._unlike: dict[tuple[str, int], list[float | None]] = {}

    def history(self, model: str, threads: int) -> PredictionHistory:
        """Return the history of a model, to which an answer is about to be added."""
        self._rework(model)
        return self._histories.setdefault((model, threads), _untaught(model, threads))

    def forget(self, model: str) -> None:
        """Drop the factors of a model whose bases have changed."""
        self._found.clear()  # rooflines rest on the sweeps of any model
        self._unlike.clear()
        self._histories = {key: h for key, h in self._histories.items() if key[0] != model}

    def of(self, model: str, threads: int) -> Estimate | None:
        """Return the estimate for a model; None for one that is not known."""
        key = model, threads
        if key not in self._found:
            self._found[key] = self._worked_out(model, threads)
        return self._found[key]

    def _rework(self, model: str) -> None:
        """Drop the estimates that rest on the answers of a model."""
        self._found = {
            key: estimate
            for key, estimate in self._found.items()
            if key[0] != model and key not in self._alike
        }
        self._alike.clear()
        self._unlike = {key: row for key, row in self._unlike.items() if key[0] != model}

    def _worked_out(self, model: str, threads: int) -> Estimate | None:
        base = self._bases.of(model, threads)
        if base is None:
            return None
        factors = self._factors(model, threads, base)
        if base.basis == "roofline" and None in factors:
            likened = self._likened(model, threads)
            self._alike.add((model, threads))
            factors = [b if a is None else a for a, b in zip(factors, likened, strict=True)]
        return self._estimate(model, threads, base, factors)

    def _estimate(
        self, model: str, threads: int, base: Base, factors: list[float | None]
    ) -> Estimate:
        prefill, decode, watts = factors
        history = self._histories.get((model, threads)) or _untaught(model, threads)
        learnt = prefill is not None or decode is not None
        return Estimate(
            base=base,
            basis="learnt" if learnt and base.basis == "roofline" else base.basis,
            prefill=1.0 if prefill is None else prefill,
            decode=1.0 if decode is None else decode,
            draw=1.0 if watts is None else watts,
            watts=base.watts if watts is None else (base.watts or UNIT).times(watts),
            error_ratio=miss(history.seconds, base.error_ratio),
            energy_error_ratio=miss(history.energy, base.energy_error_ratio),
        )

    def _factors(self, model: str, threads: int, base: Base) -> list[float | None]:
        """Return the factors of prefill, decode and watts."""
        sure = (base.firm, base.firm, base.firm and base.watts is not None)
        return [
            self._factor(model, threads, pick, _FIRM if certain else ())
            for pick, certain in zip(_PICKS, sure, strict=True)
        ]

    def _factor(
        self, model: str, threads: int, pick: Pick, doubts: tuple[float, ...]
    ) -> float | None:
        found = {t: pick(h) for (name, t), h in self._histories.items() if name == model}
        own = factor(found.pop(threads, ()), doubts)
        others = [(abs(t - threads), t) for t, logs in found.items() if logs]
        return factor(found[min(others)[1]]) if own is None and others else own

    def _likened(self, model: str, threads: int) -> list[float | None]:
        """How other models differ from their rooflines, where something is known of them."""
        rows = [self._unlike_roofline(o, threads) for o in self._bases.models if o != model]
        columns = ([row[i] for row in rows] for i in range(len(_PICKS)))
        known = [[ratio for ratio in column if ratio is not None] for column in columns]
        return [median(ratios) if ratios else None for ratios in known]

    def _unlike_roofline(self, model: str, threads: int) -> list[float | None]:
        key = model, threads
        if key not in self._unlike:
            self._unlike[key] = self._compared(model, threads)
        return self._unlike[key]

    def _compared(self, model: str, threads: int) -> list[float | None]:
        base, roofline = self._bases.of(model, threads), self._bases.roofline(model, threads)
        assert base is not None
        assert roofline is not None
        factors = self._factors(model, threads, base)
        estimate = self._estimate(model, threads, base, factors)
        expected = (*estimate.phases_s(*USUAL_TOKENS), (estimate.watts or UNIT).decode_w)
        plain = (*roofline.phases_s(*USUAL_TOKENS), (roofline.watts or UNIT).decode_w)
        known = [base.basis == "calibrated" or factor is not None for factor in factors]
        known[2] = known[2] and estimate.watts is not None
        return [
            now / before if sure and now > 0 and before > 0 else None
            for now, before, sure in zip(expected, plain, known, strict=True)
        ]


def _untaught(model: str, threads: int) -> PredictionHistory:
    return PredictionHistory(model=model, threads=threads)


class Predictor:
    """Calibrations, else rooflines, corrected by the answers that were given since."""

    def __init__(self, hardware: Hardware) -> None:
        self.idle_w: float | None = None  # what the board draws idle of late; None: as calibrated
        self.warmth: Warmth | None = None  # of the chip now; None: as calibrated
        self._bases = Bases(hardware)
        self._estimates = Estimates(self._bases)

    def know(
        self,
        model: str,
        shape: ModelShape,
        calibrations: Iterable[ModelCalibration] = (),
    ) -> None:
        """Take a model with its present calibrations; factors against others are dropped."""
        self._bases.know(model, shape, calibrations)
        self._estimates.forget(model)

    def predict(
        self,
        model: str,
        threads: int,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        duty: float = 1.0,
    ) -> Prediction | Unpredicted:
        """What an answer of `completion_tokens` will take, alone in the engine.

        `cached_tokens` of the prompt are not computed again. `duty` is the share of time that
        the engine may compute.
        """
        if threads < 1 or not 0 < duty <= 1:
            return Unpredicted(f"with {threads} threads and a duty of {duty} it would never end")
        estimate = self._estimates.of(model, threads)
        if estimate is None:
            return Unpredicted(f"nothing is known of the model {model!r:.80}")
        phases = estimate.phases_s(prompt_tokens, cached_tokens, completion_tokens)
        return self._prediction(estimate, *phases, duty)

    def learn(self, model: str, threads: int, served: Served) -> None:
        """Take what an answer took; one of a model that is not known teaches nothing."""
        estimate = self._estimates.of(model, threads)
        if estimate is None:
            return
        tokens = served.prompt_tokens, served.cached_tokens, served.completion_tokens
        history = self._estimates.history(model, threads)
        predicted = self._prediction(estimate, *estimate.phases_s(*tokens))
        history.judge(served, predicted.prefill_s + predicted.decode_s, predicted.energy_j)
        base = estimate.base
        watts = (base.watts or UNIT).plus(self._warmer_w(estimate))
        history.learn(served, *base.phases_s(*tokens), watts)

    def _prediction(
        self, estimate: Estimate, prefill_s: float, decode_s: float, duty: float = 1.0
    ) -> Prediction:
        computing_s = prefill_s + decode_s
        seconds = computing_s / duty + estimate.base.overhead_s
        watts = self._watts(estimate)
        spent = None if watts is None else spend(watts, prefill_s, decode_s, seconds - computing_s)
        return Prediction(
            seconds=seconds,
            prefill_s=prefill_s / duty,
            decode_s=decode_s / duty,
            energy_j=None if spent is None else spent.energy_j,
            total_j=None if spent is None else spent.total_j,
            power_w=None if spent is None else spent.power_w,
            error_ratio=estimate.error_ratio,
            energy_error_ratio=None if spent is None else estimate.energy_error_ratio,
            basis=estimate.basis,
        )

    def _watts(self, estimate: Estimate) -> Watts | None:
        """Return the watts at the present idle power and temperature."""
        if estimate.watts is None:
            return None
        watts = estimate.watts.plus(estimate.draw * self._warmer_w(estimate))
        return watts if self.idle_w is None else replace(watts, idle_w=self.idle_w)

    def _warmer_w(self, estimate: Estimate) -> float:
        """Return the leakage that has come on top since the base's watts were measured."""
        return 0.0 if self.warmth is None else self.warmth.added_w(estimate.base.temp_c)
