"""Whether the daemon's ledger gets to the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from edge_rt.cli.doctor.checks.daemon import log_of
from edge_rt.cli.doctor.finding import Finding, ok, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.files import there
from edge_rt.config.ledger import ledger_faults
from edge_rt.config.schema import Config, Ledger

_LEAST_BYTES = 1 << 20  # with less the disk counts as full


def check_ledger(machine: Machine) -> Iterator[Finding]:
    """Nothing where no daemon tells."""
    stored = (machine.ask("/edge/v1/ledger?days=1&last=0") or {}).get("stored")
    if stored is True:
        yield ok("ledger", "the daemon writes down what answers cost")
    elif stored is False:
        what = "the daemon cannot write its ledger"
        reason = _reason(machine)
        if reason is not None:
            what += f" ({reason})"
        lost = "it is kept in memory only: it will be lost when the daemon ends"
        yield problem("ledger", f"{what}, so {lost}", log_of(machine))


def _reason(machine: Machine) -> str | None:
    """What can be seen from here, where the daemon's configuration is the installation's."""
    path = Path(machine.config.ledger.path or machine.paths.state / "ledger.db")
    for _, reason in ledger_faults(Config(ledger=Ledger(path=str(path)))):
        return reason
    near = next(place for place in path.parents if there(place))
    return "the disk is full" if shutil.disk_usage(near).free < _LEAST_BYTES else None
