"""edge-rt models suggest: models that suit a board, and what their answers would take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import psutil

from edge_rt.board.profile import UNKNOWN
from edge_rt.board_model.calibration import FOLDER, load_calibrations
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.document import table
from edge_rt.cli.options import daemon_socket, installation, sensors_root_option, socket_option
from edge_rt.cli.tables import output, put
from edge_rt.cli.text import Json, member, note, size
from edge_rt.config.board import Board
from edge_rt.config.boards import board_dirs, check_boards
from edge_rt.config.paths import Paths, of_board
from edge_rt.core.system.cgroup import ControlGroup, memory_bytes
from edge_rt.governor.knobs.programs import present_mode
from edge_rt.models.catalogue import TASKS, Task, load_suggestions
from edge_rt.models.suggested import (
    ANSWER_TOKENS,
    CONTEXT_TOKENS,
    PROMPT_TOKENS,
    READING_TOKENS_PER_S,
    CostBasis,
    Suggestion,
    SuggestionEstimator,
    choose,
    suggest,
)

_COLUMNS = (
    *("name", "tokens_per_s", "speed_error", "token_j", "energy_error", "energy_j"),
    *("size_bytes", "memory_bytes", "seconds", "total_j", "tasks", "licence"),
)
BASES: dict[CostBasis, str] = {
    "calibration": "estimated from this board's calibration",
    "profile": "estimated from the board's profile, and seldom off by half or double",
    "guess": "rough guesses, for nothing is known of this board's memory",
}
_ADVICE = "; edge-rt calibrate --quick measures this board"
_KERNEL_SHARE = 0.85  # of the memory that is fitted, at least, the kernel has for programs
_GIB = 1 << 30


@dataclass(frozen=True)
class Target:
    """The machine that models have to suit."""

    name: str
    memory_bytes: int
    estimator: SuggestionEstimator
    here: bool = False

    def suggest(self, task: Task | None = None) -> list[Suggestion]:
        """Return the models that fit, from the weakest to the strongest."""
        return suggest(load_suggestions(), self.memory_bytes, self.estimator, task)


def served_machine(paths: Paths, socket: Path, root: Path | None) -> ExaminedMachine:
    """Return the board below `root`; None: the one that the daemon at `socket` serves.

    Where no daemon answers, that is the configured one.
    """
    machine = ExaminedMachine(paths, socket, root=root and root.absolute())
    report = machine.ask("/edge/v1/board") if root is None else None
    served = Path(str(report.get("root"))) if report else machine.root
    return machine if served == machine.root else ExaminedMachine(paths, socket, root=served)


def this_machine(machine: ExaminedMachine) -> Target:
    """Return the machine itself, with its calibrations where this user may read them."""
    served = member(machine.daemon_board or {}, "board").get("id")
    board = machine.profiles[0].get(str(served), machine.board)
    told = machine.identity.memory_bytes
    limited = memory_bytes(ControlGroup(), told)
    simulated = machine.board.id if machine.board else UNKNOWN
    state = of_board(machine.paths.state, simulated if machine.simulated else None)
    calibrations, _ = load_calibrations(state / FOLDER)
    cores = psutil.cpu_count() or 1
    estimator = SuggestionEstimator(
        board,
        cores,
        calibrations,
        gpu=machine.config.engine.offloads[0] > 0,
        mode=present_mode(machine.root),
    )
    name = board.name if board else "An unknown board"
    return Target(name, (told or limited) if machine.simulated else limited, estimator, True)


def other_board(board: Board, fitted_bytes: int) -> Target:
    """Return a board that is not at hand, with so much memory fitted."""
    estimator = SuggestionEstimator(board, 1, gpu=board.gpu is not None)
    return Target(board.name, round(_KERNEL_SHARE * fitted_bytes), estimator)


@click.command("suggest")
@click.option("--task", type=click.Choice(TASKS), help="Only models for this; any otherwise.")
@click.option(
    "--board", "board_id", metavar="ID", help="For this board; else the daemon's, or this one."
)
@click.option(
    "--memory",
    "memory_gib",
    type=click.FloatRange(0.25, 4096),
    metavar="GIB",
    help="With so many GiB of memory; else as the machine has, or the largest of --board.",
)
@socket_option
@sensors_root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def suggest_models(
    task: Task | None,
    board_id: str | None,
    memory_gib: float | None,
    socket: Path | None,
    sensors_root: Path | None,
    as_json: bool,
) -> None:
    """Show models that fit this board, what an answer would take, and how to pull them.

    Figures are for a prompt of 100 tokens and an answer of 100; "energy" are joules on top of what
    the board draws anyway, "total" are all of them meanwhile, "token" those for one token of the
    answer. Half of all answers come within the errors. "memory" is the file with the keys
    and values of 4096 tokens. The star marks the strongest model that answers as fast as people
    read. Uses no network.

    Examples:
        edge-rt models suggest --task tools
        edge-rt models suggest --board raspberry-pi-5 --memory 8
    """
    target = _target(board_id, memory_gib, sensors_root, socket)
    found = target.suggest(task)
    best = choose([one for one in found if (task or "chat") in one.model.tasks])
    if as_json:
        click.echo(json.dumps(document(target, found, best)))
        return
    if not found:
        note(f"No model of the list fits {target.name} with {size(target.memory_bytes)}.")
        return
    models = [_facts(one, one is best) for one in found]
    put(output(), table(models, _COLUMNS, marked="best"))
    basis = found[0].cost.basis
    advice = _ADVICE if target.here and basis != "calibration" else ""
    told = f"{target.name}, {size(target.memory_bytes)} of memory: {BASES[basis]}{advice}."
    note(f"\n{told}")
    for one in [best] if best else found:
        click.echo(one.model.command)


def document(
    target: Target, found: Sequence[Suggestion], best: Suggestion | None
) -> dict[str, object]:
    """Return all of it for JSON."""
    return {
        "board": target.name,
        "memory_bytes": target.memory_bytes,
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": ANSWER_TOKENS,
        "context_tokens": CONTEXT_TOKENS,
        "reading_tokens_per_s": READING_TOKENS_PER_S,
        "models": [_facts(one, one is best) for one in found],
    }


def _facts(one: Suggestion, best: bool) -> Json:
    model = one.model
    return {
        "name": model.name,
        "title": model.title,
        "tasks": list(model.tasks),
        "size_bytes": model.bytes,
        "memory_bytes": one.memory_bytes,
        "licence": model.licence,
        **asdict(one.cost),
        "command": model.command,
        "best": best,
    }


def _target(
    board_id: str | None, memory_gib: float | None, root: Path | None, socket: Path | None
) -> Target:
    paths = installation(socket)
    fitted = None if memory_gib is None else round(memory_gib * _GIB)
    if board_id is not None:
        boards, _ = check_boards(board_dirs(paths))
        board = boards.get(board_id)
        if board is None:
            known = ", ".join(sorted(boards))
            raise click.BadParameter(f"known are {known}", param_hint="--board")
        fitted = fitted or max(board.memory_sizes_bytes, default=None)
        if fitted is None:
            raise click.UsageError(f"{board_id} comes in any size: name it with --memory.")
        return other_board(board, fitted)
    machine = served_machine(paths, socket or daemon_socket(None), root)
    here = this_machine(machine)
    return here if fitted is None else Target(here.name, fitted, here.estimator)
