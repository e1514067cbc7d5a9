"""How long streams stood still when their engine was ended."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

ON_ITS_WAY_S = 0.05  # what came within was made before


class Pause(NamedTuple):
    """How long all streams together stood still, and each of `streams`; None: for ever. Perhaps
    they were hit `again`.
    """

    seconds: float | None
    again: bool = False
    streams: tuple[float | None, ...] = ()


def pauses(streams: Sequence[Sequence[float]], struck_s: Sequence[float]) -> list[Pause]:
    """Of each time that the engine was ended, which rise."""
    found: list[Pause] = []
    for at_s, next_s in zip(struck_s, [*struck_s[1:], float("inf")], strict=True):
        each = tuple(pause_s(texts_s, at_s) for texts_s in streams)
        seconds = longest_s(each)
        found.append(Pause(seconds, seconds is not None and at_s + seconds > next_s, each))
    return found


def pause_s(texts_s: Sequence[float], at_s: float) -> float | None:
    """From the engine's end until a stream goes on; None where nothing came any more.

    `texts_s` are the times of its pieces of text, rising.
    """
    place = bisect_right(texts_s, at_s + ON_ITS_WAY_S)
    return texts_s[place] - at_s if place < len(texts_s) else None


def longest_s(found: Sequence[float | None]) -> float | None:
    """Until all of them go on; None where one does not."""
    known = [pause for pause in found if pause is not None]
    return max(known) if known and len(known) == len(found) else None
