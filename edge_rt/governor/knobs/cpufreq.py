"""The highest clock that users of cpufreq allow."""

from __future__ import annotations

import re
from pathlib import Path

from edge_rt.governor.knobs.files import FileKnob
from edge_rt.governor.knobs.knob import KnobError, Wish
from edge_rt.sensors.cpufreq import policies
from edge_rt.sensors.sysfs import first_integer, first_line, numbered

_PLACE = re.compile(r"(/.*)?/sys/devices/system/cpu/cpufreq/policy\d+/scaling_max_freq")
_COOLERS = ("cpufreq-", "thermal-cpufreq-", "Processor")  # types of the clock's cooling devices


class MaxClock(FileKnob):
    """scaling_max_freq of one policy, in kHz.

    The kernel keeps what users set apart from its own cap and shows the lower of the two. So while
    it throttles, the file does not tell what was set, though it can be set all the same.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._thermal = path.parents[5] / "class" / "thermal"

    def hidden(self) -> str | None:
        """The cooling device that holds the clock down, whichever policy it is for."""
        for folder in numbered(self._thermal, "cooling_device*"):
            kind = first_line(folder / "type") or ""
            if kind.startswith(_COOLERS) and first_integer(folder / "cur_state"):
                return f"the kernel throttles the clock ({folder.name}, {kind})"
        return None


def clock_wishes(sysfs: Path, max_hz: float) -> list[Wish]:
    """No policy of the board shall go above `max_hz`."""
    khz = round(max_hz / 1e3)
    found = [Wish(MaxClock(p.folder / "scaling_max_freq"), khz) for p in policies(sysfs)]
    if not found:
        raise KnobError(
            f"no clock can be set: there is no policy in {sysfs}/devices/system/cpu/cpufreq"
        )
    return found


def clock_knob(name: str) -> MaxClock | None:
    """The knob that the journal calls `name`; None where it is none of these."""
    return MaxClock(Path(name)) if _PLACE.fullmatch(name) else None
