"""From directories of YAML files to checked board profiles, or to every reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from edge_rt.config.board import Board, Rail
from edge_rt.config.board_files import Profile, Shelf, merged, place
from edge_rt.config.loader import fault_in
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.config.tree import Key
from edge_rt.core.errors import ConfigError

SHIPPED = Path(__file__).parents[1] / "boards"


def board_contradictions(board: Board) -> Iterator[tuple[Key, str]]:
    """Yield every key whose value cannot be true of any board, with the reason."""
    yield from _rails(board)
    yield from _totals(board)
    yield from _modes(board)
    yield from _thermal(board)


def feeders(rails: Mapping[str, Rail], label: str) -> list[str]:
    """Return the rails above `label`, nearest first.

    Ends where the profile is cut off or circular.
    """
    found: list[str] = []
    rail = rails.get(label)
    while rail is not None and rail.part_of is not None and rail.part_of not in found:
        found.append(rail.part_of)
        rail = rails.get(rail.part_of)
    return found


def _rails(board: Board) -> Iterator[tuple[Key, str]]:
    for label, rail in board.rails.items():
        key = ("rails", label, "part_of")
        if rail.part_of is not None and rail.part_of not in board.rails:
            yield key, f"no rail {rail.part_of!r} in this profile"
        elif label in feeders(board.rails, label):
            yield key, "a rail cannot be part of itself"


def _totals(board: Board) -> Iterator[tuple[Key, str]]:
    for number, total in enumerate(board.totals):
        for index, label in enumerate(total.rails):
            key = ("totals", number, "rails", index)
            counted = set(feeders(board.rails, label)).intersection(total.rails)
            if label not in board.rails:
                yield key, f"no rail {label!r} in this profile"
            elif label in total.rails[:index]:
                yield key, f"{label} is counted twice"
            elif counted:
                yield key, f"{label} is counted twice: it is part of {counted.pop()}"


def _modes(board: Board) -> Iterator[tuple[Key, str]]:
    defaults = [name for name, mode in board.power_modes.items() if mode.default]
    for name in defaults[1:]:
        yield ("power_modes", name, "default"), f"{defaults[0]} is the default already"


def _thermal(board: Board) -> Iterator[tuple[Key, str]]:
    if trips := board.thermal.trips:
        order = [trips.throttle_c, trips.hot_c, trips.shutdown_c]
        known = [temp_c for temp_c in order if temp_c is not None]
        if known != sorted(known):
            yield ("thermal", "trips"), "expected throttle_c <= hot_c <= shutdown_c"
    if fan := board.thermal.fan:
        points = [point.temp_c for point in fan.points]
        if points != sorted(set(points)):
            yield ("thermal", "fan", "points"), "expected rising temp_c"


def board_dirs(paths: Paths) -> list[Path]:
    """Return where an installation's profiles lie: those that come with it, then the user's own."""
    return [SHIPPED, paths.config_file.parent / "boards.d"]


def check_boards(dirs: Sequence[Path]) -> tuple[dict[str, Board], list[ConfigError]]:
    """Return the usable profiles, later directories last, and the faults of the others."""
    shelf = Shelf.read(dirs)
    boards: dict[str, Board] = {}
    faults = list(shelf.faults)
    for profile in shelf.visible():
        try:
            boards[profile.id] = _board(profile, shelf)
        except ConfigError as fault:
            faults.append(fault)
    return boards, list({str(fault): fault for fault in faults}.values())


def board_faults(config: Config, paths: Paths | None = None) -> Iterator[tuple[Key, str]]:
    """Yield what is wrong with the board that `config` names: an unknown or a faulty profile."""
    name = config.board
    if name is None:
        return
    boards, faults = check_boards(board_dirs(paths or Paths.detect()))
    if name in boards:
        return
    mine = next((str(fault) for fault in faults if Path(fault.file).stem == name), None)
    known = ", ".join(sorted(boards))
    yield ("board",), mine or f"there is no board profile {name!r}; known are {known}"


def _board(profile: Profile, shelf: Shelf) -> Board:
    line = shelf.line_of(profile)
    data = merged(line)
    if "id" in data:
        raise place(line, ("id",), "unknown key: the id is the name of the file")
    data |= {"id": profile.id}
    if fault := fault_in(data, Board):
        raise place(line, *fault)
    board = msgspec.convert(data, Board)
    for key, reason in board_contradictions(board):
        raise place(line, key, reason)
    return board
