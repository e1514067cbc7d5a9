"""edge-rt twin: simulate a board around real processes."""

from __future__ import annotations

import select
from pathlib import Path

import click

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import Range
from edge_rt.config.board import Board
from edge_rt.config.boards import board_dirs, check_boards
from edge_rt.config.paths import Paths
from edge_rt.twin.load import WatchedLoad
from edge_rt.twin.run import AMBIENT_C, FORM, Event, Twin, run


@click.command()
@click.option("--board", "name", required=True, help="The id of the board's profile.")
@click.option(
    "--watch", "pid", required=True, type=click.IntRange(1), help="Whose CPU time counts."
)
@click.option(
    "--dir",
    "root",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where sys, proc, dev and etc are made: a new or empty directory.",
)
@click.option(
    "--ambient",
    "ambient_c",
    default=25.0,
    show_default=True,
    type=Range(*AMBIENT_C),
    help="Air, in °C.",
)
@click.option("--seed", default=0, show_default=True, help="Which board of its kind.")
@click.option("--event", "events", multiple=True, metavar=FORM, help="What happens, and when.")
@click.option(
    "--period",
    "period_s",
    default=0.1,
    show_default=True,
    type=Range(0.01, 10.0),
    help="Seconds between two steps.",
)
def twin(
    *,
    name: str,
    pid: int,
    root: Path,
    ambient_c: float,
    seed: int,
    events: tuple[str, ...],
    period_s: float,
) -> None:
    """Simulate a board that is heated by the CPU time of a process and its children.

    Passes of models with layers on a GPU heat the board's GPU, though the CPU here computes them.

    Prints the directory of the board's files once they are there, and takes them away at the
    end: when the process ends, when nobody reads the output any more, on SIGTERM or Ctrl-C, or
    when the board gets too hot to stay on.

    \b
    Events begin START seconds after the start and last SECONDS, or to the end:
      ambient@60=40            the air has 40 °C from then on
      fan-failure@30+20        the fan stands still
      undervoltage@10+5        the supply sags

    Example:
        edge-rt twin --board raspberry-pi-5 --watch 1 --dir ./twin
    """  # noqa: D301  (click's mark is that character)
    try:
        script = [Event.parse(text) for text in events]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--event") from error
    board, root = _board(name), root.absolute()
    load = WatchedLoad(pid)
    if load.look() is None:
        raise CommandFailure(f"no process {pid}")
    simulated = Twin(board, root, load, ambient_c, seed, script)
    end = run(simulated, period_s, lambda: click.echo(root), _is_read)
    click.echo(f"twin: {end}", err=True)


def _is_read() -> bool:
    """Return whether standard output, if it is a pipe, still has a reader."""
    poll = select.poll()
    poll.register(1, 0)  # a pipe without readers is told all the same
    return not any(events & select.POLLERR for _, events in poll.poll(0))


def _board(name: str) -> Board:
    boards, faults = check_boards(board_dirs(Paths.detect()))
    if name in boards:
        return boards[name]
    mine = [fault for fault in faults if f"/{name}.yaml" in fault.file]
    if mine:
        raise mine[0]
    known = ", ".join(sorted(boards))
    raise click.BadParameter(f"no board profile {name!r}; there are {known}", param_hint="--board")
