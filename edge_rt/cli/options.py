"""Options that several commands share, and the ranges of their values."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import click

from edge_rt.cli.text import Json


class Range(click.FloatRange):
    """A number from `low` to `high`; NaN, which no comparison finds outside, is none."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(low, high)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; raises BadParameter for one outside the range."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self.min:g}<=x<={self.max:g}.", param, ctx)
        return number


class QualityRange(Range):
    """A floor of quality: a word for one, or a number from 0 to 1."""

    name = "low|normal|high|0..1"
    words = ("low", "normal", "high")

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; raises BadParameter for one outside the range."""
        return value if value in self.words else super().convert(value, param, ctx)


def to_forget(said: Json, *, everything: bool) -> Json:
    """Those of the options `said` that were given, none for `everything`; raises UsageError."""
    which = {name: value for name, value in said.items() if value is not None}
    if which and everything:
        raise click.UsageError(
            "--all forgets everything: leave it out, or what is named beside it."
        )
    if not which and not everything:
        raise click.UsageError("Say what to forget, or --all.")
    return which


DEFAULT = "default"  # the daemon knows which model that is
AUTO = "auto"  # it chooses one for each answer


_AMOUNT = Range(0.001, 1e9)
_FIELDS = ("max_tokens", "temperature", "seed")  # of a request
_EDGE = (  # of its field `edge`
    *("energy_j", "latency_s", "prefer", "quality", "mode", "partner", "large_share", "cache"),
)


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` the options that say which model is asked and how.

    Its arguments are `system`, None when nobody gives one, `body`, what the request says beside
    the question, and `quiet` and `verbose`, which lines follow an answer.
    """

    @click.option(
        "-m",
        "--model",
        default=DEFAULT,
        help='The model, with "@" a variant of it; "auto": any; else the daemon\'s default.',
    )
    @click.option(
        "--prefer",
        type=click.Choice(["energy", "latency", "quality"]),
        help="What to choose by where several models may answer; else energy.",
    )
    @click.option(
        "--quality",
        type=QualityRange(),
        help="How likely an answer is to be good enough, at least: low, normal, high, or 0 to 1.",
    )
    @click.option(
        "--mode",
        help="How tokens are decided on: single, lookup, speculative, switch or switch:GATE.",
    )
    @click.option("--partner", help="The smaller model that helps with it; else the pair's.")
    @click.option(
        "--large-share",
        type=Range(0, 1),
        help="Of the tokens, what the larger model is to write where both write by turns.",
    )
    @click.option(
        "--cache",
        type=click.Choice(["use", "refresh", "off", "only"]),
        help="use: an answer that was given before, if any; refresh: a new one; only: none else.",
    )
    @click.option("--system", help="What the model is told before anything else.")
    @click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens of an answer.")
    @click.option("--temperature", type=Range(0, 2), help="0: always the likeliest word.")
    @click.option("--seed", type=int, help="The same seed gives the same answer.")
    @click.option(
        "--energy", "energy_j", type=_AMOUNT, help="Most joules that an answer may add to the draw."
    )
    @click.option("--latency", "latency_s", type=_AMOUNT, help="Most seconds that one may take.")
    @click.option("-q", "--quiet", is_flag=True, help="Do not print what an answer cost.")
    @click.option("-v", "--verbose", is_flag=True, help="Print the id of an answer after it.")
    @functools.wraps(command)
    def call(*args: Any, model: str, **given: Any) -> Any:
        edge, options = _taken(given, _EDGE), _taken(given, _FIELDS)
        body = {"model": model} | options | ({"edge": edge} if edge else {})
        return command(*args, body=body, **given)

    return call


def _taken(given: dict[str, Any], names: Sequence[str]) -> Json:
    """Take these options out of `given`; return those that somebody has set."""
    values = {name: given.pop(name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
