"""Ranges of options."""

from __future__ import annotations

import math
from typing import Any

import click


class Range(click.FloatRange):
    """A number from `low` to `high`; NaN, which no comparison finds outside, is none."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(low, high)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click.ParamType."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self.min:g}<=x<={self.max:g}.", param, ctx)
        return number


class Quality(Range):
    """A floor of quality: a word for one, or a number from 0 to 1."""

    name = "low|normal|high|0..1"
    words = ("low", "normal", "high")

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click.ParamType."""
        return value if value in self.words else super().convert(value, param, ctx)
