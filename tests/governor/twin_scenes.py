"""Cap and heat faster than real time: simulated boards, a model of the engine, many settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchlib.boards import load_boards
from benchlib.plant_load import Work
from benchlib.trace import Trace
from model_board import Scene, constant, simulate
from model_engine import Speed

from edge_rt.config.board import Board
from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import ClockSteps
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior
from edge_rt.twin.run import Event, Script
from edge_rt.twin.shape import Shape

BOARDS = ("jetson-orin-nano-8gb", "raspberry-pi-5")
SETTLED_S = 5.0  # after the first request
UNDER = 0.995  # share of the windows that must be at or under the cap
_CHAT = Work(streams=1, prompt_tokens=100.0, answer_tokens=150.0)
_CAP_S, _PHASE_S = 240.0, 300.0
_COOL_C = 15.0  # so that no fan and no heat disturbs a cap
_GRID = 20  # duties between 0 and 1
# Tokens a second by threads of a model of 0.1 thousand million weights, as we guess them; one ten
# times as large is about four times slower on these boards.
_FAST: Mapping[str, Speed] = {
    "raspberry-pi-5": Speed((36.0, 62.0, 74.0, 78.0), (80.0, 156.0, 228.0, 296.0)),
    "jetson-orin-nano-8gb": Speed(
        (24.0, 44.0, 58.0, 66.0, 70.0, 72.0), (56.0, 112.0, 164.0, 216.0, 264.0, 312.0)
    ),
}
SLOWER = (1.0, 4.0)
NO_CLOCKS = ClockSteps()


@dataclass(frozen=True)
class Best:
    """Return the fastest constant setting among those that keep the limits."""

    tokens_per_s: float
    threads: int
    duty: float

    def __str__(self) -> str:
        return f"{self.threads} threads {100 * self.duty:.0f} % of the time"


def speed_of(board: str, slower: float = 1.0) -> Speed:
    """Return the speed of the model engine on `board`."""
    known = _FAST[board]
    return replace(
        known,
        decode=tuple(rate / slower for rate in known.decode),
        prompt=tuple(rate / slower for rate in known.prompt),
    )


def governed(
    board: Board,
    budget: BudgetConfig,
    settings: GovernorConfig | None = None,
    clocks: ClockSteps = NO_CLOCKS,
) -> Governor:
    """A governor that knows of the board what its profile says."""
    shape, power = Shape.of(board), priors_of(board)
    known = board.draw.loaded_w
    loaded_w = known.value if known else power.idle_w + shape.cores * power.core_w
    thermal = ThermalModel(ThermalPrior.generic(loaded_w, fan=bool(shape.fan_points)))
    return Governor(shape.cores, budget, thermal, power, settings or GovernorConfig(), clocks)


def capped_scene(name: str, seed: int, slower: float = 1.0, seconds: float = _CAP_S) -> Scene:
    """One request after the other on a cool board."""
    board = load_boards()[name]
    return Scene(board, seed, speed_of(name, slower), _CHAT, seconds, ambient_c=_COOL_C)


def hot_scene(name: str, seed: int, phase_s: float = _PHASE_S) -> Scene:
    """35 °C around the board, then 45 °C, then a fan that stands still."""
    events = (Event.parse(f"ambient@{phase_s}=45"), Event.parse(f"fan-failure@{2 * phase_s}"))
    script = Script(events, 35.0)
    board = load_boards()[name]
    return Scene(board, seed, speed_of(name), _CHAT, 3 * phase_s, script=script, ambient_c=35.0)


def at_full(scene: Scene) -> Trace:
    """Nobody governs."""
    return simulate(scene, constant(Shape.of(scene.board).cores, 1.0))


def best_constant(scene: Scene, keeps: Callable[[Trace], bool]) -> Best:
    """Yield each thread count with the highest duty of the grid that keeps the limits.

    More duty is more tokens, more power and more heat, so lower ones need not be tried. Raises
    ValueError where none does.
    """
    found: list[Best] = []
    for threads in range(1, Shape.of(scene.board).cores + 1):
        low, high = 0, _GRID
        while low < high:
            middle = (low + high + 1) // 2
            kept = keeps(simulate(scene, constant(threads, middle / _GRID)))
            low, high = (middle, high) if kept else (low, middle - 1)
        if low:
            trace = simulate(scene, constant(threads, low / _GRID))
            found.append(Best(tokens_per_s(scene, trace), threads, low / _GRID))
    if not found:
        raise ValueError(f"no constant setting keeps {scene.board.name} within what is asked")
    return max(found, key=lambda best: best.tokens_per_s)


def tokens_per_s(scene: Scene, trace: Trace) -> float:
    """Return the speed of answers once the run has settled."""
    return trace.tokens_per_s(scene.idle_s + SETTLED_S)


def ok_share(scene: Scene, trace: Trace, cap_w: float) -> float:
    """Share of the 1-second windows at or under the cap, once settled."""
    return trace.under(cap_w, scene.idle_s + SETTLED_S)
