"""Whether leakage is learnt from mixed days with a working fan, on boards of the second plant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchlib.plant_cases import BOARDS, load_profile
from benchlib.plant_days import Growth, day, growth
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.idle import IdleLog
from edge_rt.thermal.leakage_fit import LeakageFit, LeakagePrior, fit_leakage

LEAK_BOARDS = ("pi5", "nano", "agx")
DAYS, HOURS = 36, 3.0
NEAR = 0.15  # of the growth from 45 to 70 °C
_SETTLE_S = 8.0  # as the daemon has it


@dataclass(frozen=True)
class Learnt:
    """The leakage learnt on one day.

    `error` is the relative error of the growth of leakage. `held`: the true growth lies within
    its interval. `assumed`: the leakage is tagged as not measured.
    """

    board: str
    day: int
    error: float
    held: bool
    assumed: bool
    note: str

    @property
    def ok(self) -> bool:
        """Whether the growth is near the truth, or tagged as assumed."""
        return self.assumed or abs(self.error) <= NEAR

    @property
    def line(self) -> str:
        """For people."""
        tag = ", assumed" if self.assumed else ""
        return f"leak {self.board} day{self.day}: growth off by {self.error:+.1%}{tag}; {self.note}"


def leak_jobs(quick: bool, only: str = "") -> list[tuple[str, int]]:
    """Board and day of each run."""
    days = 1 if quick else DAYS
    found = [(board, number) for board in LEAK_BOARDS for number in range(days)]
    words = only.split()
    return [j for j in found if all(w in f"leak {j[0]} day{j[1]}".split() for w in words)]


def learn(job: tuple[str, int]) -> Learnt:
    """Learn the leakage of one board on one day."""
    board, number = job
    figures = draw(KINDS[BOARDS[board]], 100 + number)
    idle, quiet_s = IdleLog(), 0.0
    for look in day(figures, number, HOURS):
        quiet_s = quiet_s + 1.0 if look.idle else 0.0
        if quiet_s > _SETTLE_S:
            idle.feed(look.time_s, look.time_s, look.temp_c, look.power_w)
    prior = LeakagePrior(priors_of(load_profile(BOARDS[board])).idle_w)
    return judged(
        board, number, fit_leakage(idle.stretches(), prior, HOURS * 3600.0), growth(figures)
    )


def judged(board: str, number: int, fit: LeakageFit, truth: Growth) -> Learnt:
    """Compare a fit with the truth."""
    grown = fit.growth_w
    error, held = grown.middle / truth.watts - 1.0, grown.low <= truth.watts <= grown.high
    interval = f"{grown.low:.2f} to {grown.high:.2f} W, true {truth.watts:.2f} W"
    return Learnt(board, number, error, held, fit.source == "assumed", interval)


def gathered(found: Sequence[Learnt]) -> dict[str, float]:
    """Shares over all boards, and by board."""
    values = _shares(found, "")
    for board in dict.fromkeys(one.board for one in found):
        values |= _shares([one for one in found if one.board == board], f"_{board}")
    return values


def _shares(found: Sequence[Learnt], name: str) -> dict[str, float]:
    return {
        f"leak_ok{name}": sum(one.ok for one in found) / len(found),
        f"leak_cover{name}": sum(one.held for one in found) / len(found),
        f"leak_measured{name}": sum(not one.assumed for one in found) / len(found),
    }
