"""From a name in the journal to its knob."""

from __future__ import annotations

from pathlib import Path, PurePath

from edge_rt.governor.knobs.affinity import affinity_knob
from edge_rt.governor.knobs.clocks.cpufreq import clock_knob
from edge_rt.governor.knobs.clocks.gpufreq import gpu_knob
from edge_rt.governor.knobs.fan import fan_knob
from edge_rt.governor.knobs.fan_profile import FanProfile, profile_knob
from edge_rt.governor.knobs.knob import Knob
from edge_rt.governor.knobs.nvpmodel import PowerMode
from edge_rt.governor.knobs.programs import Programs
from edge_rt.governor.knobs.rapl import rapl_knob


def by_name(name: str, root: Path, programs: Programs) -> Knob | None:
    """The knob of this name; None where it is of no known kind or its program is not here.

    A journal may have been damaged: nothing but the files of knobs is ever written.
    """
    if name == PowerMode.name:
        return mode_knob(root, programs)
    if name == FanProfile.name:
        return profile_knob(programs, root)
    if ".." in PurePath(name).parts:
        return None
    clock = clock_knob(name) or gpu_knob(name)
    return clock or rapl_knob(name) or fan_knob(name) or affinity_knob(name)


def mode_knob(root: Path, programs: Programs) -> PowerMode | None:
    """The power mode, where there is nvpmodel."""
    if programs.nvpmodel is None:
        return None
    return PowerMode(programs.nvpmodel, root / "etc" / "nvpmodel.conf")
