"""The supply's meter as the governor reads it: mean watts from look to look, joules in all."""

from __future__ import annotations

from edge_rt.board.monitor import Metered

HOLD_S = 3.0  # for which the last watts are taken to go on: no supply is read less often


class SupplyMeter:
    """Takes the meter's readings as they come, and is looked at now and then."""

    def __init__(self) -> None:
        self.total_j = 0.0  # since the start, of all meters that there were
        self._latest: Metered | None = None
        self._begin: Metered | None = None  # as it stood at the last look that found news
        self._power_w: float | None = None

    def hear(self, meter: Metered) -> None:
        """Take a reading; what another meter told before says nothing about this one's."""
        before, self._latest = self._latest, meter
        if before is None or _another(before, meter):
            self._begin, self._power_w = meter, None
            return
        self.total_j += max(0.0, meter.energy.energy_j - before.energy.energy_j)

    def power_w(self, now_s: float) -> float | None:
        """Mean watts since the last look; those before as long as there is nothing new.

        None where there has been nothing for HOLD_S, or never was.
        """
        begin, latest = self._begin, self._latest
        if begin is None or latest is None:
            return None
        covered_s = latest.energy.covered_s - begin.energy.covered_s
        if covered_s > 0.0:
            self._power_w = (latest.energy.energy_j - begin.energy.energy_j) / covered_s
            self._begin = latest
        elif now_s - begin.time_s > HOLD_S:
            self._begin, self._power_w = latest, None
        return self._power_w


def _another(before: Metered, now: Metered) -> bool:
    """Whether `now` is of another meter, or of one that began anew."""
    told = (before.quality, before.rails) != (now.quality, now.rails)
    return told or now.energy.covered_s < before.energy.covered_s
