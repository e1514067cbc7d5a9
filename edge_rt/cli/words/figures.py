"""Figures as people read them; what is missing is a dash and never 0."""

from __future__ import annotations

import math
from typing import cast

from edge_rt.cli.words.clean import clean
from edge_rt.cli.words.document import Json

MISSING = "-"


def number(value: object) -> float | None:
    """A finite number; None for everything that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if math.isfinite(figure) else None


def fixed(value: object, decimals: int) -> str:
    """With so many decimals, for figures one below the other."""
    figure = number(value)
    return MISSING if figure is None else f"{figure:.{decimals}f}"


def significant(value: object, digits: int = 3) -> str:
    """With so many significant digits, and all those before the point."""
    figure = number(value)
    if figure is None:
        return MISSING
    text = f"{figure:#.{digits}g}".rstrip(".")
    return f"{figure:.0f}" if "e+" in text else text


def joules(value: object) -> str:
    """An energy with its unit: J, kJ or MJ."""
    figure = number(value)
    if figure is None:
        return MISSING
    for unit in ("J", "kJ"):
        if abs(figure) < 10_000:
            return f"{significant(figure)} {unit}"
        figure /= 1000
    return f"{significant(figure)} MJ"


def whole(value: object) -> str:
    """A count."""
    return fixed(value, 0)


def counted(value: object, thing: str) -> str:
    """A count of things whose plural ends in s."""
    return f"{whole(value)} {thing}{'' if number(value) == 1 else 's'}"


def line(value: object) -> str:
    """Text from elsewhere as one line without control characters; a dash for None."""
    return MISSING if value is None else " ".join(clean(str(value)).split())


def lines(document: Json, name: str) -> list[str] | None:
    """The texts in the list of that name, a line each; None where there is no list."""
    value: object = document.get(name)
    if not isinstance(value, list):
        return None
    return [line(item) for item in cast("list[object]", value)]


def simulated(document: Json) -> str | None:
    """A sentence for figures of a simulated board; None where they are a real board's."""
    board = document.get("simulated")
    return f"Simulated board {line(board)}: the figures are not this machine's." if board else None


def member(document: Json, name: str) -> Json:
    """The object of that name; empty where there is none."""
    value: object = document.get(name)
    return cast(Json, value) if isinstance(value, dict) else {}


def members(document: Json, name: str) -> list[Json]:
    """The objects in the list of that name; none where there is no list."""
    value: object = document.get(name)
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast(Json, item) for item in items if isinstance(item, dict)]
