"""The highest clock that users of devfreq allow a Jetson's GPU."""

from __future__ import annotations

import re
from pathlib import Path

from edge_rt.board.readers.devfreq import gpu_devices
from edge_rt.board.readers.sysfs import first_integer
from edge_rt.governor.knobs.clocks.clock_file import ClockFile, listed, throttle
from edge_rt.governor.knobs.files import FileKnob
from edge_rt.governor.knobs.knob import KnobError

_PLACE = re.compile(r"(/.*)?/sys/class/devfreq/[^/\n]+/max_freq")
_DEVICES = "*.gpu|*.ga10b|*.gv11b|*.gp10b|*.gm20b|gpu-gpc*|gpu.*|gpu"  # as in gpu_devices
_COOLERS = ("devfreq-", "thermal-devfreq-")  # types of the clock's cooling devices


class MaxGpuClock(FileKnob):
    """max_freq of one devfreq device, in Hz; the kernel shows its own cap where that is lower."""

    def hidden(self) -> str | None:
        """The cooling device that holds the clock down, whichever device it is for."""
        return throttle(self.path.parents[2] / "thermal", _COOLERS)


def gpu_files(sysfs: Path) -> list[ClockFile]:
    """What caps the clock of the GPU; raises KnobError where nothing does."""
    folders = [device for device in gpu_devices(sysfs) if (device / "max_freq").exists()]
    if not folders:
        raise KnobError(f"no GPU clock can be set: {sysfs}/class/devfreq has no GPU with max_freq")
    return [_file(folder) for folder in folders]


def udev_rule(group: str) -> str:
    """The udev rule, one line, that lets `group` set the clock."""
    return (
        f'ACTION!="remove", SUBSYSTEM=="devfreq", KERNEL=="{_DEVICES}", '
        f'RUN+="/bin/chgrp {group} /sys%p/max_freq", RUN+="/bin/chmod 0664 /sys%p/max_freq"'
    )


def gpu_knob(name: str) -> MaxGpuClock | None:
    """The knob that the journal calls `name`; None where it is none of these."""
    return MaxGpuClock(Path(name)) if _PLACE.fullmatch(name) else None


def _file(folder: Path) -> ClockFile:
    return ClockFile(
        MaxGpuClock(folder / "max_freq"),
        unit_hz=1.0,
        low=first_integer(folder / "min_freq") or 0,
        listed=listed(folder / "available_frequencies"),
    )
