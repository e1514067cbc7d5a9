"""jetson-stats: whether it is needed, and whether it runs."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.cli.doctor.finding import Finding, note, ok, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.files import there

_SOCKET = "run/jtop.sock"
_UNITS = ("etc/systemd/system/jtop.service", "usr/lib/systemd/system/jtop.service")


def check_jtop(machine: Machine) -> Iterator[Finding]:
    """Nothing where it is not installed."""
    runs = there(machine.file(_SOCKET))
    if not runs and not any(there(machine.file(unit)) for unit in _UNITS):
        return
    if machine.supply is not None:
        yield ok("jtop", "jetson-stats is installed, and not needed: the rails are read directly")
    elif runs:
        yield note("jtop", "jetson-stats runs: its figures are used where no rail can be read")
    else:
        what = "jetson-stats could tell the rails, but its service does not run"
        yield problem("jtop", what, f"{machine.user.sudo}systemctl enable --now jtop")
