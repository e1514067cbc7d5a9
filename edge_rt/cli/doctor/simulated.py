"""What becomes of the checks of a board where that is a directory's files and no hardware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge_rt.cli.doctor.finding import Check, Finding
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.files import there


def of_board(check: Check) -> Check:
    """`check`, but no kernel, cable or group mends a simulated board, and an empty one has none."""

    def judge(machine: Machine) -> Iterator[Finding]:
        if not machine.simulated:
            yield from check(machine)
        elif there(machine.roots.sysfs) or there(machine.roots.proc):
            for finding in check(machine):
                yield replace(finding, remedy=())

    return judge
