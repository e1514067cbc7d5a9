"""The scenes of the second plant under caps.

Parts of the cases, each on a cool board:

- plain: no other programs
- hidden: other programs come and go, and on boards with a sensor of the whole supply devices that
  only power shows
- batch: eight streams with long prompts
- gpu: a model whose layers are on the GPU
- 1hz: power is read once a second, and the cap's window has five readings
- noisy: readings scatter by 3 %
- late-S: each reading comes S seconds late
- frozen-load, frozen-idle: for half a minute the reading stays as it was, from a time of work on or
  from one of rest
- jumping, missing: for half a minute three in ten readings are a third or three times the true
  ones, or there are none
- deaf: limits of the clock are accepted and have no effect
- varied: a request may draw up to 30 % more or less than the mean one
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, product

from benchlib.boards import load_boards
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS, Kind
from benchlib.plant_load import WORKS, Fault, Program, coming_and_going
from benchlib.plant_run import Scene
from benchlib.trace import Trace
from edge_rt.config.board import Board
from edge_rt.core.limits import ClockSteps

BOARDS: Mapping[str, str] = {
    "pi4": "raspberry-pi-4b",
    "pi5": "raspberry-pi-5",
    "nano": "jetson-orin-nano-8gb",
    "agx": "jetson-agx-orin-64gb",
    "pc": "generic-x86",
}
CAPS = (0.6, 0.75, 0.9)  # as shares of the mean power without a cap
SEEDS, BATCH_SEEDS = (0, 1, 2), range(24)
SECONDS, QUICK_S, SCENE_S = 150.0, 60.0, 80.0
SETTLED_S = 5.0  # after the first request, when runs begin to count
DELAYS_S = (0.0, 0.3, 0.8, 1.3, 2.0)
BATCH = "8x1200/100"
NO_CLOCKS = ClockSteps()
_GRID = ("1x100/150", "1x600/40", "4x400/60", "1x3000/50", "2x200/100 with pauses")
_COOL_C = 15.0  # so that heat does not disturb a cap
_FAST_S, _READINGS = 0.25, 5  # slower sensors have windows of so many readings
_OTHERS = 0.35  # most power of others, over what the lowest cap leaves above rest
_FAULT_S = 30.0
_PLAIN = (
    ("pi5", "1x100/150", 0.6),
    ("pi5", "1x600/40", 0.75),
    ("pi5", "4x400/60", 0.9),
    ("nano", "1x100/150", 0.75),
    ("nano", "1x600/40", 0.6),
    ("nano", "4x400/60", 0.75),
    ("agx", "1x100/150", 0.6),
    ("agx", "4x400/60", 0.9),
)
SCENES = (
    *(("plain", *scene) for scene in _PLAIN),
    *(("hidden", *scene) for scene in _PLAIN),
    ("late-0.8", "nano", "1x100/150", 0.75),
    ("noisy", "pi5", "1x600/40", 0.75),
    ("1hz", "pi5", "1x100/150", 0.75),
    ("1hz", "nano", "4x400/60", 0.75),
    ("plain", "nano", "1x3000/50", 0.75),
    ("batch", "nano", BATCH, 0.65),
)
DEFECTS = (
    ("frozen-load", "pi5", "2x200/100 with pauses", 0.75),
    ("frozen-load", "nano", "2x200/100 with pauses", 0.6),
    ("frozen-idle", "pi5", "1x100/150", 0.75),
    ("frozen-idle", "nano", "1x600/40", 0.6),
    ("jumping", "pi5", "1x600/40", 0.75),
    ("jumping", "nano", "1x100/150", 0.6),
    ("missing", "pi5", "1x600/40", 0.75),
    ("missing", "nano", "1x100/150", 0.6),
    ("deaf", "pi5", "1x100/150", 0.75),
    ("deaf", "nano", "1x600/40", 0.6),
)


@dataclass(frozen=True)
class Variation:
    """How the scenes of a part differ from plain ones; None: as the board has it."""

    hidden: bool = False
    on_gpu: bool = False
    period_s: float | None = None
    noise: float | None = None
    delay_s: float = 0.0
    fault: Fault | None = None
    fault_s: float = 15.0  # when it begins
    deaf_clock: bool = False
    varied: float = 0.0


VARIATIONS: Mapping[str, Variation] = {
    "plain": Variation(),
    "hidden": Variation(hidden=True),
    "batch": Variation(),
    "gpu": Variation(on_gpu=True),
    "1hz": Variation(period_s=1.0),
    "noisy": Variation(noise=0.03),
    "frozen-load": Variation(fault="frozen"),
    "frozen-idle": Variation(fault="frozen", fault_s=1.0),
    "jumping": Variation(fault="jumping"),
    "missing": Variation(fault="missing"),
    "deaf": Variation(deaf_clock=True),
    "varied": Variation(varied=0.3),
    **{f"late-{delay_s}": Variation(delay_s=delay_s) for delay_s in DELAYS_S},
}
FAULTS = tuple(name for name, how in VARIATIONS.items() if how.fault)
LATE = tuple(name for name in VARIATIONS if name.startswith("late"))


@dataclass(frozen=True)
class Case:
    """One scene under one cap; a cap of one or more is none. `knob`: clocks may be chosen."""

    part: str
    board: str
    work: str
    seed: int
    cap: float
    knob: bool = True

    @property
    def label(self) -> str:
        """For people, and to choose cases by."""
        cap = f"{100 * self.cap:.0f}%" if self.cap < 1.0 else "uncapped"
        knob = "knob" if self.knob else "no-knob"
        return f"{self.part} {self.board} {self.work} {cap} {knob} seed{self.seed}"

    @property
    def scene(self) -> str:
        """What cases with the same scene have in common."""
        return f"{self.part} {self.board} {self.work} seed{self.seed}"

    @property
    def variation(self) -> Variation:
        """How the scene differs from a plain one."""
        return VARIATIONS.get(self.part, VARIATIONS["plain"])

    @property
    def kind(self) -> Kind:
        """The board's kind."""
        kind, how = KINDS[BOARDS[self.board]], self.variation
        supply = kind.supply
        if how.period_s is not None:
            supply = replace(supply, period_s=how.period_s)
        return replace(
            kind, supply=supply if how.noise is None else replace(supply, noise=how.noise)
        )

    @property
    def window_s(self) -> float:
        """The configured length of the cap's window: one second, or more with a slow sensor."""
        period_s = self.kind.supply.period_s
        return 1.0 if period_s <= _FAST_S else _READINGS * period_s

    @property
    def judged_s(self) -> float:
        """The length of the windows that count: the configured one and twice the delay."""
        return self.window_s + 2.0 * self.variation.delay_s


def chosen(found: Iterable[Case], only: str) -> list[Case]:
    """Those whose labels have every word of `only`."""
    words = only.split()
    return [case for case in found if all(word in case.label.split() for word in words)]


def grid(quick: bool, only: str = "") -> list[Case]:
    """Return all boards, works and caps with and without clocks; quick: a few of each part."""
    return chosen(_grid(quick), only)


def _grid(quick: bool) -> Iterator[Case]:
    seeds, caps = (SEEDS[:1], CAPS[1:2]) if quick else (SEEDS, CAPS)
    boards, works = (["pi5", "nano"], _GRID[:1]) if quick else (list(BOARDS), _GRID)
    for part, there, jobs, knobs in (
        ("plain", boards, works, (True, False)),
        ("hidden", boards, works, (True, False)),
        ("gpu", [b for b in ("nano", "agx") if b in boards], works[:3], (True,)),
        ("1hz", ["pi5", "nano"], works[:1], (True, False)),
        ("noisy", ["pi5", "nano"], works[:2], (True, False)),
        ("varied", ["pi5", "nano"], works[:2], (True, False)),
    ):
        for board, work, seed, knob, cap in product(there, jobs, seeds, knobs, caps):
            yield Case(part, board, work, seed, cap, knob)


def scenes(quick: bool, only: str = "") -> list[Case]:
    """The 22 scenes, late readings, the batch on many seeds, and defects; quick: one seed."""
    return chosen(dict.fromkeys(_scenes(SEEDS[:1] if quick else SEEDS, quick)), only)


def ablation(seeds: Sequence[int], only: str = "") -> list[Case]:
    """The 22 scenes without a choice of clocks, and the plain ones with it."""
    found = [
        Case(part, board, work, seed, cap, knob)
        for (part, board, work, cap), seed, knob in product(SCENES, seeds, (False, True))
        if part == "plain" or not knob
    ]
    return chosen(found, only)


def _scenes(seeds: Sequence[int], quick: bool) -> Iterator[Case]:
    yield from ablation(seeds)
    for part, board, seed in product(LATE[-1:] if quick else LATE, ("pi5", "nano"), seeds):
        yield Case(part, board, "1x100/150", seed, 0.75, knob=False)
    for seed in BATCH_SEEDS[:2] if quick else BATCH_SEEDS:
        yield Case("batch", "nano", BATCH, seed, 0.65, knob=False)
    for (part, board, work, cap), seed in product(DEFECTS, seeds):
        yield Case(part, board, work, seed, cap, knob=part == "deaf")


def groups(found: Iterable[Case]) -> list[list[Case]]:
    """Cases of the same scene, whose constant settings are run once."""

    def scene(case: Case) -> str:
        return case.scene

    return [list(group) for _, group in groupby(sorted(found, key=scene), scene)]


def scene_of(case: Case, seconds: float) -> Scene:
    """The scene of a case, without others and faults."""
    how, kind = case.variation, case.kind
    return Scene(
        draw(kind, case.seed, how.on_gpu),
        load_profile(kind.profile),
        WORKS[case.work],
        case.seed,
        seconds,
        cool(),
        on_gpu=how.on_gpu,
        start_c=_COOL_C + 15.0,
        delay_s=how.delay_s,
        deaf_clock=how.deaf_clock,
        varied=how.varied,
    )


def disturbed(case: Case, scene: Scene, full: Trace, full_w: float) -> Scene:
    """A case's scene with its others and faults; `full` is a run of it without a governor."""
    how, program = case.variation, scene.program
    if how.hidden:
        program = _with_others(scene, full, full_w)
    if how.fault is not None:
        end_s = how.fault_s + _FAULT_S
        faults = ((0.0, None), (how.fault_s, how.fault), (end_s, None))
        program = replace(program, faults=faults)
    return replace(scene, program=program)


def cool() -> Program:
    """No other programs, and a room so cool that heat never limits."""
    quiet = Program()
    return replace(quiet, weather=((0.0, replace(quiet.weather_at(0.0), room_c=_COOL_C)),))


@lru_cache
def load_profile(name: str) -> Board:
    """The product's profile of a board."""
    return load_boards()[name]


def clock_steps(scene: Scene) -> ClockSteps:
    """Return all clocks of the board."""
    kind = scene.figures.kind
    return ClockSteps(kind.steps_hz, () if kind.gpu is None else kind.gpu.steps_hz)


def _with_others(scene: Scene, full: Trace, full_w: float) -> Program:
    """`scene`'s program with others whose power fits under the lowest cap."""
    kind, rest_w = scene.figures.kind, min(full.power_w)
    room_w = _OTHERS * max(0.1, CAPS[0] * full_w - rest_w)
    core_w = (full_w - rest_w) / kind.cores
    gpu = min(0.5, room_w / kind.gpu.switching_w) if kind.gpu is not None else 0.0
    cores = min(0.5 * kind.cores, room_w / core_w) / (1.0 if kind.gpu is None else 2.0)
    rail_w = 0.0 if kind.supply.meter in ("modelled", "rapl") else room_w
    begin_s = scene.idle_s + SETTLED_S + 10.0
    others = coming_and_going(scene.seed, scene.seconds, cores, begin_s, 0.5 * gpu, rail_w)
    return replace(scene.program, others=others)
