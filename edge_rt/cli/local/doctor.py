"""edge-rt doctor: checks of this board, with a remedy for each fault."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_rt.cli.doctor.check_daemon import (
    check_daemon,
    check_daemons_board,
    check_findings,
    check_user,
)
from edge_rt.cli.doctor.check_gpu_devices import check_gpu_devices
from edge_rt.cli.doctor.check_heat import check_answers, check_temperatures, check_throttling
from edge_rt.cli.doctor.check_installation import (
    check_board,
    check_configuration,
    check_gpu,
    check_models,
)
from edge_rt.cli.doctor.check_kernel import (
    check_clocks,
    check_governed_clocks,
    check_memory_cgroup,
    check_power_mode,
)
from edge_rt.cli.doctor.check_power import check_power
from edge_rt.cli.doctor.finding import Check, document, examine, healthy, lines, of_board
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.options import daemon_socket, installation, sensors_root_option, socket_option

CHECKS: tuple[tuple[str, Check], ...] = (
    ("config", check_configuration),
    ("board", check_board),
    ("sensors", of_board(check_answers)),
    ("power", of_board(check_power)),
    ("temperature", of_board(check_temperatures)),
    ("throttling", of_board(check_throttling)),
    ("clocks", of_board(check_clocks)),
    ("knob", of_board(check_governed_clocks)),
    ("power mode", of_board(check_power_mode)),
    ("memory cgroup", of_board(check_memory_cgroup)),
    ("models", check_models),
    ("gpu", of_board(check_gpu)),
    ("gpu devices", of_board(check_gpu_devices)),
    ("user", check_user),
    ("daemon", check_daemon),
    ("daemon board", check_daemons_board),
    ("findings", check_findings),
)


@click.command()
@sensors_root_option
@socket_option
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, readable=False),
    help="The configuration; without it the installation's config.yaml, if there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(
    ctx: click.Context,
    sensors_root: Path | None,
    socket: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Check this board: sensors, models and service, with a remedy for each fault.

    Reads the board itself, so it works without a daemon; if one answers, its readings are shown
    as well. Changes nothing. Ends with exit code 1 when something needs mending.

    Example:
        edge-rt doctor
    """
    place = daemon_socket(socket)
    root = None if sensors_root is None else sensors_root.absolute()
    machine = ExaminedMachine(installation(place), place, root=root, config_file=config_file)
    findings = list(examine(machine, CHECKS))
    if as_json:
        click.echo(json.dumps(document(findings)))
    else:
        for line in lines(findings):
            click.echo(line)
    ctx.exit(0 if healthy(findings) else 1)
