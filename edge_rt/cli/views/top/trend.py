"""What several looks at the daemon tell that one alone does not."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge_rt.cli.words.document import Json
from edge_rt.cli.words.figures import member, number

_WINDOW = 4  # looks over which a speed is told: a few seconds
_LENGTH = 120  # looks of which the power is kept


@dataclass(frozen=True)
class _Mark:
    """Counters at one look; None where they are not known."""

    time_s: float
    tokens: float | None
    energy_j: float | None
    missing_s: float | None


class Trend:
    """The power of the last looks, and the speed between them."""

    def __init__(self) -> None:
        self.powers: deque[float | None] = deque(maxlen=_LENGTH)
        self._marks: deque[_Mark] = deque(maxlen=_WINDOW)

    def add(self, time_s: float, status: Json, board: Json) -> None:
        """Note a look at `time_s`; counters that went back are of a daemon that began anew."""
        supply = member(board, "supply")
        mark = _Mark(
            time_s,
            number(member(status, "tokens").get("completion")),
            number(supply.get("energy_j")),
            number(supply.get("missing_s")),
        )
        if self._marks and _before(mark, self._marks[-1]):
            self._marks.clear()
        self._marks.append(mark)
        self.powers.append(number(supply.get("power_w")))

    def gone(self) -> None:
        """Note that there was nothing to look at."""
        self._marks.clear()
        self.powers.append(None)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens of answers in each of the last few seconds; None where that is not known yet."""
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        tokens, elapsed = _grown(first.tokens, last.tokens), last.time_s - first.time_s
        return None if tokens is None or elapsed <= 0 else tokens / elapsed

    @property
    def joules_per_token(self) -> float | None:
        """All that the board took in these seconds, over their tokens.

        None without tokens, and where some of the energy is not known.
        """
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        tokens = _grown(first.tokens, last.tokens)
        energy = _grown(first.energy_j, last.energy_j)
        if not tokens or energy is None or _grown(first.missing_s, last.missing_s) != 0:
            return None
        return energy / tokens


def _grown(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else last - first


def _before(mark: _Mark, other: _Mark) -> bool:
    pairs = ((mark.tokens, other.tokens), (mark.missing_s, other.missing_s))
    return any((_grown(old, new) or 0) < 0 for new, old in pairs)
