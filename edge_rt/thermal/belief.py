"""Whether the model believes itself."""

from __future__ import annotations

import math

from edge_rt.thermal.trials import HORIZONS_S, Score

WATCHED = 2  # of HORIZONS_S: the one that counts most
WATCHED_S = HORIZONS_S[WATCHED]
_NEEDED = 8  # forecasts for it that must have come out first
_BROAD_K = 5.0  # a band this wide says little
_TELLING = (1, 2)  # horizons at which misses count
_FAR = 1.3  # bands
_ROW = 2  # misses on one side, one after the other
_GOOD = {1: 4, 2: 4}  # hits in a row that bring belief back


class Belief:
    """Counts hits and misses of forecasts against the bands that were told with them."""

    def __init__(self) -> None:
        self.shaken = False  # the board has changed
        self._off_k = 0.0  # the last miss
        self._misses = [0] * len(HORIZONS_S)  # in a row, negative: on the cold side
        self._hits = [0] * len(HORIZONS_S)

    def judge(self, score: Score) -> bool:
        """Take in a forecast that came out; True where it is one miss too many."""
        index, error_k = score.index, score.error_k
        if abs(error_k) <= _FAR * score.band_k:
            self._misses[index] = 0
            self._hits[index] += 1
            if all(self._hits[i] >= enough for i, enough in _GOOD.items()):
                self.shaken = False
            return False
        side = int(math.copysign(1.0, error_k))
        run = self._misses[index]
        self._misses[index] = run + side if run * side > 0 else side
        self._hits[index] = 0
        if index not in _TELLING or abs(self._misses[index]) < _ROW:
            return False
        self.shaken, self._off_k = True, error_k
        return True

    def why_not(self, scored: int, width_k: float) -> str | None:
        """What speaks against belief; None: nothing."""
        if self.shaken:
            side = "low" if self._off_k > 0.0 else "high"
            return (
                f"the last forecasts were {abs(self._off_k):.1f} K too {side}: the fan or the air "
                "may have changed"
            )
        if scored < _NEEDED:
            return "it has not watched the board for long enough"
        if width_k > _BROAD_K:
            return f"a forecast for {WATCHED_S:g} s may be off by {width_k:.1f} K"
        return None
