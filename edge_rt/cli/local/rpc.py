"""edge-rt rpc: lend this board's memory to a model of another board."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import click

from edge_rt.board.detection import usable_cores
from edge_rt.board.heat_zones import ASSUMED_TRIP_C
from edge_rt.cli.commands.sensors import board_reports
from edge_rt.cli.exits import BadOption, CommandFailure
from edge_rt.cli.options import sensors_root_option
from edge_rt.cli.text import Json, fixed, member, note, number
from edge_rt.config.checks import private_address
from edge_rt.config.loader import load
from edge_rt.config.schema import GovernorConfig
from edge_rt.core.system.cgroup import Available, ControlGroup
from edge_rt.governor.policy.guard import GuardState

_MODULE = "edge_rt.backends.llama.rpc"
_PERIOD_S = 1.0  # between two looks at the board
_END_S = 5.0


class ThermalStop:
    """Has a process stand still while the board is too hot for work."""

    def __init__(self, pid: int, governor: GovernorConfig) -> None:
        self._pid, self._guard = pid, GuardState(governor)

    def look(self, report: Json) -> None:
        """Take a report of the board, `_PERIOD_S` after the last one."""
        zone = member(report, "nearest") or member(report, "hottest")
        temp_c = number(zone.get("temp_c", report.get("temp_c")))
        trip_c = number(zone.get("trip_c")) or ASSUMED_TRIP_C
        stood = self._guard.state == "evacuate"
        stands = self._guard.update(temp_c, trip_c, _PERIOD_S) == "evacuate"
        if stands != stood:
            os.kill(self._pid, signal.SIGSTOP if stands else signal.SIGCONT)
            until = f"stands still until {fixed(self._guard.leaves_c(trip_c), 0)} °C"
            note(f"the board has {fixed(temp_c, 0)} °C: {until if stands else 'goes on'}")


@click.command()
@click.option(
    "--listen",
    required=True,
    envvar="EDGE_RT_RPC_LISTEN",
    show_envvar=True,
    metavar="ADDRESS:PORT",
    help="A private address of this board.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 512),
    help="Threads.  [default: the cores that it may use]",
)
@click.option(
    "--memory-mb",
    type=click.IntRange(1),
    help="Most megabytes to lend.  [default: what is free at the start]",
)
@sensors_root_option
def rpc(listen: str, threads: int | None, memory_mb: int | None, sensors_root: Path | None) -> None:
    """Lend this board's memory to a model of another board.

    That board names this one in `engine.rpc`, and says in `engine.gpu_layers` how many layers lie
    here. It serves one board at a time. Who reaches the port can use it, and llama.cpp's RPC knows
    no keys: keep it in a network of your own, such as WireGuard's.

    Near its trip point this board stands still until it has cooled down. Caps of watts and joules
    are not kept here.

    Example:
        edge-rt rpc --listen 10.0.0.12:50052
    """
    try:
        private_address(listen)
    except ValueError as error:
        raise BadOption(f"--listen: {error}") from None
    config = load(None)
    reserve = config.models.reserve_bytes
    lent = memory_mb * 10**6 if memory_mb else Available(reserve, ControlGroup())() - reserve
    if lent <= 0:
        raise CommandFailure("no memory is free to lend: --memory-mb says how much all the same")
    words = [listen, str(threads or usable_cores()), str(lent)]
    with _serving(words) as process, closing(board_reports(sensors_root, _PERIOD_S)) as reports:
        note(f"lending {lent // 10**6} MB at {listen}")
        with suppress(KeyboardInterrupt):  # the way to end it is no failure
            heat = ThermalStop(process.pid, config.governor)
            for report in reports:
                if process.poll() is not None:
                    raise CommandFailure(
                        "llama.cpp's RPC server ended: is the address this board's, and free?"
                    )
                heat.look(report)


@contextmanager
def _serving(words: list[str]) -> Generator[subprocess.Popen[bytes]]:
    """Run the server, which ends with this process, however that ends."""
    link, ours = os.pipe()
    command = [sys.executable, "-m", _MODULE, *words, str(link)]
    process = subprocess.Popen(
        command, pass_fds=[link], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    os.close(link)
    try:
        yield process
    finally:
        os.close(ours)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(_END_S)
