"""Whether leakage is learnt in three days with a working fan, on boards of the second plant."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from benchlib.plant_cases import BOARDS, load_profile
from benchlib.plant_days import Growth, Look, growth, leaking, rest_w, span
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS
from edge_rt.core.limits import Observation
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.leakage import LeakageFit, LeakagePrior, fit_leakage

LEAK_BOARDS = ("pi5", "nano", "agx")
SCALES = (0.3, 1.0, 3.0)  # of the prior's leakage
SPANS, DAYS, HOURS = 4, 3, 8.0
NEAR, NEAR_IDLE = 0.15, 0.02  # of the growth from 45 to 70 °C; of the power at rest
_OFF = (0.8, 1.25)  # times the scale


@dataclass(frozen=True)
class Learnt:
    """The leakage learnt in one span of days.

    `error` is the relative error of the growth of leakage, and `error_idle` the same error over
    the power at rest. `held`: the true growth lies within its interval. `measured`: the leakage is
    tagged so; all else is the prior.
    """

    board: str
    scale: float
    span: int
    error: float
    error_idle: float
    held: bool
    measured: bool
    note: str

    @property
    def right(self) -> bool:
        """Whether the growth is near the truth."""
        return abs(self.error) <= NEAR or abs(self.error_idle) <= NEAR_IDLE

    @property
    def line(self) -> str:
        """For people."""
        tag = "measured" if self.measured else "assumed"
        return (
            f"leak {self.board} x{self.scale:g} span{self.span}: {tag}, growth off by"
            f" {self.error:+.1%}, {self.error_idle:+.1%} of the power at rest; {self.note}"
        )


@dataclass(frozen=True)
class LeakJob:
    """One span of one board whose leakage is about `scale` times the prior's."""

    board: str
    scale: float
    span: int

    @property
    def truth(self) -> float:
        """The scale, a little off: the prior itself is to be no measurement."""
        return self.scale * random.Random(f"leak {self.board} {self.span}").uniform(*_OFF)


def leak_jobs(quick: bool, only: str = "") -> list[LeakJob]:
    """Return all spans; quick: one of one board."""
    words = only.split()
    boards, spans = (LEAK_BOARDS[:1], 1) if quick else (LEAK_BOARDS, SPANS)
    found = [LeakJob(*job) for job in product(boards, SCALES, range(spans))]
    return [
        job
        for job in found
        if all(w in ("leak", job.board, f"x{job.scale:g}", f"span{job.span}") for w in words)
    ]


def learn(job: LeakJob, hours: float = HOURS) -> Learnt:
    """Learn the leakage of one board in one span of days of `hours`."""
    kind = KINDS[BOARDS[job.board]]
    idle_w = priors_of(load_profile(BOARDS[job.board])).idle_w
    prior = LeakagePrior(idle_w, step_w=max(kind.supply.steps_w, default=0.0))
    figures = draw(kind, 100 + job.span)
    figures = leaking(figures, job.truth * fit_leakage((), prior).growth_w.middle)
    fit = fitted(span(figures, job.span, DAYS, hours), prior)
    return judged(job, fit, growth(figures), rest_w(figures))


def fitted(looks: Iterable[Look], prior: LeakagePrior) -> LeakageFit:
    """The leakage that the daemon has learnt after all looks."""
    watch = LeakageWatch(None)
    watch.begin("plant", prior)
    before_s = 0.0
    for look in looks:
        watch.take(_seen(look, look.time_s - before_s))
        before_s = look.time_s
    watch.refit()
    return watch.fit


def _seen(look: Look, dt_s: float) -> Observation:
    """A look as the governor has it; work is a request on a share of the cores."""
    return Observation(
        time_s=look.time_s,
        dt_s=dt_s,
        power_w=look.power_w,
        temp_c=look.temp_c,
        trip_c=None,
        fan=look.fan,
        threads=1,
        busy_s=0.0 if look.idle else dt_s,
        tokens=0,
        running=int(not look.idle),
        waiting=0,
        others=0.0,
    )


def judged(job: LeakJob, fit: LeakageFit, truth: Growth, idle_w: float) -> Learnt:
    """Compare a fit with the truth."""
    grown = fit.growth_w
    error_w = grown.middle - truth.watts
    held = grown.low <= truth.watts <= grown.high
    interval = f"{grown.low:.2f} to {grown.high:.2f} W, true {truth.watts:.2f} W"
    measured = fit.source == "measured"
    return Learnt(
        job.board,
        job.scale,
        job.span,
        error_w / truth.watts,
        error_w / idle_w,
        held,
        measured,
        interval,
    )


def gathered(found: Sequence[Learnt]) -> dict[str, float]:
    """Shares over all boards, and by board."""
    values = _shares(found, "")
    for board in dict.fromkeys(one.board for one in found):
        values |= _shares([one for one in found if one.board == board], f"_{board}")
    return values


def _shares(found: Sequence[Learnt], name: str) -> dict[str, float]:
    """Return the measured share of all spans, the right one of these, and that of true intervals.

    Where nothing was measured, nothing was right.
    """
    measured = [one for one in found if one.measured]
    right = sum(one.right for one in measured) / len(measured) if measured else 0.0
    return {
        f"leak_measured{name}": len(measured) / len(found),
        f"leak_right{name}": right,
        f"leak_cover{name}": sum(one.held for one in found) / len(found),
    }
