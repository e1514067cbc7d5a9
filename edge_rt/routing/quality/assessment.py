"""What was found out of a request before anything is computed for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Length = Literal["short", "medium", "long"]
Level = Literal["easy", "plain", "hard"]


class Features(msgspec.Struct, frozen=True):
    """A prompt in a few words, each of few values.

    `kind` is that of the rules, such as "maths" or "code", "other" where none fits; `level` tells
    where the evidence puts it beside the usual prompt of no kind.
    """

    kind: str = "other"
    length: Length = "short"
    level: Level = "plain"

    @property
    def context(self) -> tuple[str, str, str]:
        """The class of the request: kind, length and level."""
        return self.kind, self.length, self.level


class Chance(msgspec.Struct, frozen=True):
    """The probability that a model's answer is good enough, and what it comes from, in words."""

    p: float
    reasons: tuple[str, ...] = ()


class Assessment(msgspec.Struct, frozen=True):
    """The features of a prompt, and the chance of each model, by its id; none where unknown."""

    features: Features = Features()
    chances: Mapping[str, Chance] = {}

    def p(self, model: str) -> float | None:
        """The probability that the model's answer is good enough; None: nothing is known."""
        chance = self.chances.get(model)
        return None if chance is None else chance.p
