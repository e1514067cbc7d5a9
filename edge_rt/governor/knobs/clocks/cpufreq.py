"""The highest clock that users of cpufreq allow."""

from __future__ import annotations

import re
from pathlib import Path

from edge_rt.board.readers.cpufreq import Policy, policies
from edge_rt.board.readers.sysfs import first_integer
from edge_rt.governor.knobs.clocks.clock_file import ClockFile, listed, throttle
from edge_rt.governor.knobs.files import FileKnob
from edge_rt.governor.knobs.knob import KnobError, Wish

_PLACE = re.compile(r"(/.*)?/sys/devices/system/cpu/cpufreq/policy\d+/scaling_max_freq")
_COOLERS = ("cpufreq-", "thermal-cpufreq-", "Processor")  # types of the clock's cooling devices


class MaxClock(FileKnob):
    """scaling_max_freq of one policy, in kHz.

    The kernel keeps what users set apart from its own cap and shows the lower of the two. So while
    it throttles, the file does not tell what was set, though it can be set all the same.
    """

    def hidden(self) -> str | None:
        """The cooling device that holds the clock down, whichever policy it is for."""
        return throttle(self.path.parents[5] / "class" / "thermal", _COOLERS)


def clock_wishes(sysfs: Path, max_hz: float) -> list[Wish]:
    """No policy of the board shall go above `max_hz`."""
    return [Wish(file.knob, round(max_hz / 1e3)) for file in cpu_files(sysfs)]


def cpu_files(sysfs: Path) -> list[ClockFile]:
    """What caps the clocks of all policies; raises KnobError where there are none."""
    found = [_file(policy) for policy in policies(sysfs)]
    if not found:
        raise KnobError(
            f"no clock can be set: there is no policy in {sysfs}/devices/system/cpu/cpufreq"
        )
    return found


def tmpfiles_line(group: str) -> str:
    """What lets `group` set the clocks, as a line for systemd-tmpfiles.

    The kernel drops the uevents of policies, so no rule of udev ever sees one.
    """
    return f"z /sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq 0664 root {group}"


def clock_knob(name: str) -> MaxClock | None:
    """The knob that the journal calls `name`; None where it is none of these."""
    return MaxClock(Path(name)) if _PLACE.fullmatch(name) else None


def _file(policy: Policy) -> ClockFile:
    folder = policy.folder
    lows = (first_integer(folder / name) for name in ("cpuinfo_min_freq", "scaling_min_freq"))
    return ClockFile(
        MaxClock(folder / "scaling_max_freq"),
        unit_hz=1e3,
        low=max(low or 0 for low in lows),
        listed=listed(folder / "scaling_available_frequencies"),
    )
