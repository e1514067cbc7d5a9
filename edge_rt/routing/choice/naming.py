"""The models that a request's `model` means: "auto", "ID" or "ID@BACKEND-QUANTISATION"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.routing.choice.variant import Variant

AUTO = "auto"


@dataclass(frozen=True)
class Selection:
    """The variants that a name stands for, and what it pins of them; None: nothing."""

    variants: tuple[Variant, ...]
    pin: str | None

    def admits(self, variant: Variant) -> bool:
        """Whether the pin, if there is one, is for `variant`."""
        return self.pin is None or self.pin in (variant.label, variant.backend.lower())


def select(name: str, pool: Sequence[Variant]) -> Selection:
    """The variants of `pool` that `name` stands for.

    Raises ModelNotFound, or RequestError where a model has no such variant.

    "auto" are all, an id is every variant with the same weights; behind an "@" may stand a
    backend, or a backend and a quantisation: "smollm2@onnx", "smollm2@onnx-int4".
    """
    model, at, pin = name.partition("@")
    selection = Selection(_variants(model, pool), pin.lower() if at else None)
    if not any(selection.admits(variant) for variant in selection.variants):
        labels = ", ".join(sorted({variant.label for variant in selection.variants}))
        message = f"{model!r:.120} has no variant {pin!r:.120}; there are: {labels}"
        raise RequestError(message, param="model", code="variant_not_found")
    return selection


def _variants(model: str, pool: Sequence[Variant]) -> tuple[Variant, ...]:
    if model == AUTO and pool:
        return tuple(pool)
    source = next((variant.source for variant in pool if variant.id == model), None)
    if source is None:
        known = ", ".join(sorted(variant.id for variant in pool)) or "no model at all yet"
        raise ModelNotFound(f"no model {model!r:.120}; there are: {known}; or {AUTO!r} for any")
    return tuple(variant for variant in pool if variant.source == source)
