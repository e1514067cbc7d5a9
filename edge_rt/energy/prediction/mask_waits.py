"""How long answers under a constraint wait for the tokens that may come next."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from statistics import median

from edge_rt.core.routing import Prediction, Served, Unpredicted
from edge_rt.energy.prediction.history import KEPT
from edge_rt.energy.prediction.memory import PredictionStore
from edge_rt.energy.prediction.together import scaled
from edge_rt.models.record import ModelRecord


class MaskWaits:
    """The median wait for a token, by model, of its latest answers under any constraint.

    Masks are mostly computed beside a pass, so that most of their time costs no waiting.
    """

    def __init__(self, memory: PredictionStore) -> None:
        self._memory = memory
        self._waits: dict[str, deque[float]] = {
            model: deque(waits, maxlen=KEPT) for model, waits in memory.mask_waits.items()
        }

    def learn(self, entry: ModelRecord, served: Served) -> Served:
        """Take what an answer waited, and return what it would have taken without.

        Joules are those of its mean power.
        """
        if not served.mask_wait_s or served.completion_tokens < 1:
            return served
        waits = self._waits.setdefault(entry.sha256, deque(maxlen=KEPT))
        waits.append(served.mask_wait_s / served.completion_tokens)
        decode_s = max(0.0, served.decode_s - served.mask_wait_s)
        whole_s, energy_j = served.prefill_s + served.decode_s, served.energy_j
        if energy_j is not None and whole_s > 0.0:
            energy_j *= (served.prefill_s + decode_s) / whole_s
        return replace(served, decode_s=decode_s, energy_j=energy_j, mask_wait_s=0.0)

    def on(
        self, found: Prediction | Unpredicted, entry: ModelRecord, tokens: int
    ) -> Prediction | Unpredicted:
        """Return a prediction for `tokens` of a free answer with what they wait under a constraint.

        Nothing is added for a model that has not answered under any yet.
        """
        if isinstance(found, Unpredicted):
            return found
        wait_s = tokens * median(self._waits.get(entry.sha256, (0.0,)))
        computing_s = found.prefill_s + found.decode_s
        more = 1.0 + wait_s / computing_s if computing_s > 0.0 else 1.0
        longer = scaled(found, more, more)
        decode_s = found.decode_s + wait_s
        return replace(longer, prefill_s=found.prefill_s, decode_s=decode_s, mask_wait_s=wait_s)

    def remember(self) -> None:
        """Store the learnt waits in the memory."""
        self._memory.mask_waits = {model: list(waits) for model, waits in self._waits.items()}
