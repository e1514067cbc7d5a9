"""How to write a board profile of one's own."""

from __future__ import annotations

import re

from edge_rt.board.readers.cpu_time import core_count
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.remedies import sudo_for, word, written

_SAFE = re.compile(r"[\w .,()+/-]{1,60}")  # needs no escape in YAML's double quotes or the shell's


def own_profile(machine: Machine, extends: str) -> tuple[str, ...]:
    """Commands that write one with the draw that a meter shows, for the machine at hand.

    It is in YAML's flow style, which does not mind how the lines are indented.
    """
    folder = machine.paths.config_file.parent
    sudo = sudo_for(machine, folder)
    match = _match(machine)
    lines = [f"{{extends: {extends}, name: My board,", *match, *_cores(machine), *_rails(machine)]
    lines += ["  draw: {", "  idle_w: {value: 3, source: [own]},"]
    lines += ["  loaded_w: {value: 10, source: [own]}}}"]
    chosen = () if match else choose(machine, "my-board")[-1:]  # its folder is there by then
    return (
        "# measure the supply with a power meter, idle and busy, in place of 3 and 10:",
        f"{sudo}mkdir -p {word(folder / 'boards.d')}",
        *written("\n".join(lines), f"{folder}/boards.d/my-board.yaml", sudo),
        *written("own: measured on this very board", f"{folder}/boards.d/sources.yaml", sudo),
        *chosen,
    )


def choose(machine: Machine, board: str) -> tuple[str, ...]:
    """Commands that name the board in the configuration."""
    if machine.config.board is not None:
        return (f"# and set `board: {board}` in {machine.config_file}",)
    file = machine.config_file
    sudo = sudo_for(machine, file)
    tee = f"{sudo}tee -a {word(file)}"
    return (f"{sudo}mkdir -p {word(file.parent)}", f"echo 'board: {board}' | {tee}")


def _cores(machine: Machine) -> list[str]:
    """The cores, over which the model spreads the draw, where the profile in use has none."""
    cores = core_count(machine.roots.proc)
    if cores is None or (machine.board and machine.board.clusters):
        return []
    return [f"  clusters: {{cpu: {{cores: {cores}, source: [own]}}}},"]


def _rails(machine: Machine) -> list[str]:
    """Rails that the profile in use does not know; which of them form the total is to be told."""
    board = machine.board
    if machine.supply is not None:
        return []
    unknown = [rail for rail in machine.powers if board is None or rail not in board.rails]
    if not unknown or not all(map(_SAFE.fullmatch, unknown)):
        return []
    rows = [f'    "{rail}": {{source: [own]}},' for rail in unknown]
    names = [f'    "{rail}",' for rail in unknown]
    end = "  ], covers: module, source: [own]}],"
    comment = "  # of the rails leave here those that are part of no other:"
    return ["  rails: {", *rows, "  },", comment, "  totals: [{rails: [", *names, end]


def _match(machine: Machine) -> list[str]:
    """By what this machine would be recognised; nothing where it has no name of its own."""
    marks = (("models", machine.identity.model), ("dmi", machine.identity.dmi))
    for key, value in marks:
        if value is not None and _SAFE.fullmatch(value):
            return [f'  match: {{{key}: ["{value}"]}},']
    return []
