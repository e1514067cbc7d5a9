"""What an answer will take in seconds, joules and watts, before it is begun."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge_rt.core.routing import Prediction, Served, Unpredicted
from edge_rt.energy.calibration.record import Calibration
from edge_rt.energy.prediction.basis import Bases, Hardware
from edge_rt.energy.prediction.estimate import UNIT, Estimate, Estimates
from edge_rt.energy.prediction.history import Learnt
from edge_rt.energy.prediction.phases import Watts, spend
from edge_rt.energy.prediction.warmth import Warmth
from edge_rt.energy.prediction.work import ModelShape


class Predictor:
    """Calibrations, else rooflines, corrected by the answers that were given since."""

    def __init__(self, hardware: Hardware) -> None:
        self.idle_w: float | None = None  # what the board draws idle of late; None: as calibrated
        self.warmth: Warmth | None = None  # of the chip now; None: as calibrated
        self._bases = Bases(hardware)
        self._outlooks = Estimates(self._bases)

    def know(
        self,
        model: str,
        shape: ModelShape,
        calibrations: Iterable[Calibration] = (),
        learnt: Iterable[Learnt] = (),
    ) -> None:
        """Take a model with the calibrations it has now; what was learnt against others is lost.

        `learnt` is what was learnt against just these, before a restart.
        """
        self._bases.know(model, shape, calibrations)
        self._outlooks.forget(model)
        for one in learnt:
            if one.model == model:
                self._outlooks.recall(one)

    def learnt(self, model: str) -> list[Learnt]:
        """What was learnt of a model since it is known, to be kept over a restart."""
        return self._outlooks.learnt(model)

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
        outlook = self._outlooks.of(model, threads)
        if outlook is None:
            return Unpredicted(f"nothing is known of the model {model!r:.80}")
        phases = outlook.phases_s(prompt_tokens, cached_tokens, completion_tokens)
        return self._prediction(outlook, *phases, duty)

    def learn(self, model: str, threads: int, served: Served) -> None:
        """Take what an answer took; one of a model that is not known teaches nothing."""
        outlook = self._outlooks.of(model, threads)
        if outlook is None:
            return
        tokens = served.prompt_tokens, served.cached_tokens, served.completion_tokens
        history = self._outlooks.history(model, threads)
        foretold = self._prediction(outlook, *outlook.phases_s(*tokens))
        history.judge(served, foretold.prefill_s + foretold.decode_s, foretold.energy_j)
        base = outlook.base
        watts = (base.watts or UNIT).plus(self._warmer_w(outlook))
        history.learn(served, *base.phases_s(*tokens), watts)

    def _prediction(
        self, outlook: Estimate, prefill_s: float, decode_s: float, duty: float = 1.0
    ) -> Prediction:
        computing_s = prefill_s + decode_s
        seconds = computing_s / duty + outlook.base.overhead_s
        watts = self._watts(outlook)
        spent = None if watts is None else spend(watts, prefill_s, decode_s, seconds - computing_s)
        return Prediction(
            seconds=seconds,
            prefill_s=prefill_s / duty,
            decode_s=decode_s / duty,
            energy_j=None if spent is None else spent.energy_j,
            total_j=None if spent is None else spent.total_j,
            power_w=None if spent is None else spent.power_w,
            error_ratio=outlook.error_ratio,
            energy_error_ratio=None if spent is None else outlook.energy_error_ratio,
            basis=outlook.basis,
        )

    def _watts(self, outlook: Estimate) -> Watts | None:
        """With what the board draws idle now, and as warm as the chip is."""
        if outlook.watts is None:
            return None
        watts = outlook.watts.plus(outlook.draw * self._warmer_w(outlook))
        return watts if self.idle_w is None else replace(watts, idle_w=self.idle_w)

    def _warmer_w(self, outlook: Estimate) -> float:
        """What computing adds now that it did not when the base's watts were found."""
        return 0.0 if self.warmth is None else self.warmth.added_w(outlook.base.temp_c)
