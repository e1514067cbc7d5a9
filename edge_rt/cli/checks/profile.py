"""How to write a board profile of one's own."""

from __future__ import annotations

import re

from edge_rt.cli.checks.machine import Machine
from edge_rt.cli.checks.remedies import sudo_for, written

_SAFE = re.compile(r"[\w .,()+/-]{1,60}")  # needs no escape in YAML's double quotes or the shell's


def own_profile(machine: Machine, extends: str) -> tuple[str, ...]:
    """Commands that write one with the draw that a meter shows, for the machine at hand.

    It is in YAML's flow style, which does not mind how the lines are indented.
    """
    folder = machine.paths.config_file.parent
    sudo = sudo_for(machine, folder)
    match = _match(machine)
    lines = [f"{{extends: {extends}, name: My board,", *match, *_rails(machine)]
    lines += ["  draw: {", "  idle_w: {value: 3, source: [meter]},"]
    lines += ["  loaded_w: {value: 10, source: [meter]}}}"]
    chosen = () if match else choose(machine, "my-board")
    return (
        "# measure the supply with a power meter, idle and busy, in place of 3 and 10:",
        f"{sudo}mkdir -p {folder}/boards.d",
        *written("\n".join(lines), f"{folder}/boards.d/my-board.yaml", sudo),
        *written("meter: power meter at the supply", f"{folder}/boards.d/sources.yaml", sudo),
        *chosen,
    )


def choose(machine: Machine, board: str) -> tuple[str, ...]:
    """Commands that name the board in the configuration."""
    if machine.config.board is not None:
        return (f"# and set `board: {board}` in {machine.config_file}",)
    file = machine.config_file
    sudo = sudo_for(machine, file)
    return (f"{sudo}mkdir -p {file.parent}", f"echo 'board: {board}' | {sudo}tee -a {file}")


def _rails(machine: Machine) -> list[str]:
    """Rails that the profile in use does not know; which of them form the total is to be told."""
    board = machine.board
    if machine.supply is not None:
        return []
    unknown = [rail for rail in machine.powers if board is None or rail not in board.rails]
    if not unknown or not all(map(_SAFE.fullmatch, unknown)):
        return []
    rows = [f'    "{rail}": {{source: [meter]}},' for rail in unknown]
    names = [f'    "{rail}",' for rail in unknown]
    end = "  ], covers: module, source: [meter]}],"
    comment = "  # of the rails leave here those that are part of no other:"
    return ["  rails: {", *rows, "  },", comment, "  totals: [{rails: [", *names, end]


def _match(machine: Machine) -> list[str]:
    """By what this machine would be recognised; nothing where it has no name of its own."""
    marks = (("models", machine.identity.model), ("dmi", machine.identity.dmi))
    for key, value in marks:
        if value is not None and _SAFE.fullmatch(value):
            return [f'  match: {{{key}: ["{value}"]}},']
    return []
