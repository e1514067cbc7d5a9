"""What an answer under a constraint waits for the tokens that may come next."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from statistics import median

from edge_rt.core.routing import Prediction, Served, Unpredicted
from edge_rt.models.record import ModelRecord

KEPT = 9  # answers, by which a model is judged


class MaskWaits:
    """The median wait for a token, by model, of its latest answers under any constraint.

    Masks are mostly computed beside a pass, so that most of their time costs no waiting.
    """

    def __init__(self) -> None:
        self._waits: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))

    def learn(self, entry: ModelRecord, served: Served) -> Served:
        """Take what an answer waited, and return what it would have taken without.

        Joules are those of its mean power.
        """
        if not served.mask_wait_s or served.completion_tokens < 1:
            return served
        self._waits[entry.sha256].append(served.mask_wait_s / served.completion_tokens)
        decode_s = max(0.0, served.decode_s - served.mask_wait_s)
        whole_s, energy_j = served.prefill_s + served.decode_s, served.energy_j
        if energy_j is not None and whole_s > 0.0:
            energy_j *= (served.prefill_s + decode_s) / whole_s
        return replace(served, decode_s=decode_s, energy_j=energy_j, mask_wait_s=0.0)

    def on(
        self, found: Prediction | Unpredicted, entry: ModelRecord, tokens: int
    ) -> Prediction | Unpredicted:
        """Return a prediction for `tokens` of a free answer with what they wait under a constraint.

        Nothing is added for a model that has not answered under any yet. The powers stay those of
        the prediction.
        """
        waits = self._waits.get(entry.sha256)
        if isinstance(found, Unpredicted) or not waits:
            return found
        wait_s = tokens * median(waits)
        computing_s, seconds = found.prefill_s + found.decode_s, found.seconds + wait_s
        energy_j, total_j, power_w = found.energy_j, found.total_j, found.power_w
        if energy_j is not None and computing_s > 0.0:
            energy_j *= 1.0 + wait_s / computing_s
        if energy_j is not None and found.energy_j is not None and total_j is not None:
            idle_w = (total_j - found.energy_j) / found.seconds
            total_j = energy_j + idle_w * seconds
            power_w = total_j / seconds
        return replace(
            found,
            seconds=seconds,
            decode_s=found.decode_s + wait_s,
            energy_j=energy_j,
            total_j=total_j,
            power_w=power_w,
            mask_wait_s=wait_s,
        )
