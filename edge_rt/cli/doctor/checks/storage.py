"""Whether the daemon's other files get to the disk, and whether damaged ones were put aside."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.cli.doctor.checks.daemon import log_of
from edge_rt.cli.doctor.finding import Finding, note, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.remedies import word
from edge_rt.cli.words.figures import line, lines, member

_LEDGER = "ledger.db"  # ledger.py tells of that


def check_storage(machine: Machine) -> Iterator[Finding]:
    """By the daemon's word; nothing where all is well."""
    report = member(machine.ask("/edge/v1/status") or {}, "storage")
    for name, fault in member(report, "failing").items():
        if name != _LEDGER:
            yield problem("storage", f"{name}: {line(fault)}", log_of(machine))
    for name in lines(report, "aside") or []:
        file = word(machine.paths.state / name)
        what = f"{name} was damaged, and the daemon began a new file in its place"
        yield note("storage", what, f"# once nobody needs it: {machine.user.sudo}rm {file}")
