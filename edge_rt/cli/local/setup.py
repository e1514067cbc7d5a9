"""edge-rt setup: find out what the board needs, say what is changed, and change it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from edge_rt.cli.doctor.check_daemon import check_daemon
from edge_rt.cli.doctor.check_heat import check_temperatures, check_throttling
from edge_rt.cli.doctor.check_installation import check_board
from edge_rt.cli.doctor.check_power import check_power
from edge_rt.cli.doctor.finding import examine, lines, of_board
from edge_rt.cli.exits import BadConfig, CommandFailure
from edge_rt.cli.local.models_suggest import served_machine
from edge_rt.cli.local.setup_changes import Change, Host
from edge_rt.cli.local.setup_plan import SetupPlanner
from edge_rt.cli.options import daemon_socket, installation, sensors_root_option, socket_option
from edge_rt.cli.text import note, say
from edge_rt.core.errors import EdgeError
from edge_rt.core.reports.finding import Finding

CHECKS = (
    ("board", check_board),
    ("power", of_board(check_power)),
    ("temperature", of_board(check_temperatures)),
    ("throttling", of_board(check_throttling)),
    ("daemon", check_daemon),
)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be changed, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before something is changed.")
@click.option("--model", metavar="NAME|none", help="Pull this model, or none.")
@click.option("--no-calibrate", is_flag=True, help="Do not measure the board.")
@socket_option
@sensors_root_option
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print one JSON object.")
@click.pass_context
def setup(
    ctx: click.Context,
    *,
    dry_run: bool,
    yes: bool,
    model: str | None,
    no_calibrate: bool,
    socket: Path | None,
    sensors_root: Path | None,
    as_json: bool,
) -> None:
    """Set this board up: rights to its sensors, a power cap, a model and a calibration.

    Finds out board, memory, sensors, groups and supply, says what it would change, and asks once.
    What is configured or installed already stays. Works with a running daemon and without one;
    where rights are missing it says which. Ends with exit code 1 when something is left to do.

    Examples:
        edge-rt setup --dry-run
        sudo edge-rt setup --yes
    """
    if as_json and not dry_run:
        raise click.UsageError("--json needs --dry-run.")
    place = daemon_socket(socket)
    machine = served_machine(installation(place), place, sensors_root)
    login = os.environ.get("SUDO_USER") or machine.user.name
    planner = SetupPlanner(machine, Host(), login, model, not no_calibrate)
    ctx.exit(run(planner, dry_run=dry_run, yes=yes, as_json=as_json))


def run(
    planner: SetupPlanner, *, dry_run: bool = False, yes: bool = False, as_json: bool = False
) -> int:
    """Set the planner's machine up; returns the exit code."""
    machine = planner.machine
    faults = machine.configuration[1]
    if faults:
        raise BadConfig(f"{faults[0]}; nothing was changed")
    changes = planner.changes()
    if as_json:
        told = [msgspec.to_builtins(change) | {"what": change.what} for change in changes]
        click.echo(json.dumps({"changes": told, "notes": planner.notes}))
        return 0
    _tell(examine(machine, CHECKS), planner, changes)
    if dry_run or not changes:
        return 0
    able = [change for change in changes if change.lacks(machine) is None]
    if able and not _may(yes):
        note("Nothing was changed.")
        return 1
    return _make(planner, able, len(able) < len(changes))


def _tell(findings: Iterable[Finding], planner: SetupPlanner, changes: list[Change]) -> None:
    shown = [replace(finding, remedy=()) for finding in findings]
    for text in lines(shown)[:-2]:
        click.echo(text)
    for text in planner.notes:
        say(f"note  {text}")
    click.echo("\nWill change:" if changes else "\nNothing to change.")
    for change in changes:
        lack = change.lacks(planner.machine)
        say(f"  {change.what}" + ("" if lack is None else f" - NOT NOW: {lack}"))


def _may(yes: bool) -> bool:
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("There is no terminal to ask at: use --yes or --dry-run.")
    return click.confirm("Change this?", default=True, err=True)


def _make(planner: SetupPlanner, changes: list[Change], left: bool) -> int:
    for change in changes:
        try:
            change.make(planner.machine, planner.host)
        except (EdgeError, CommandFailure, OSError) as error:
            left = True
            words = error.message if isinstance(error, CommandFailure) else str(error)
            again = f"\nLater: {change.later}" if change.later else ""
            note(f"NOT done: {change.what}: {words}{again}")
        else:
            say(f"done: {change.what}")
    if left:
        note("Some of it is left to do: run this again as root, or do as said above.")
    return 1 if left else 0
