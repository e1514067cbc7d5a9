"""Whether leakage is learnt from mixed days with a working fan, on boards of the second plant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchlib.govern_plant import BOARDS
from benchlib.plant_days import Growth, day, growth
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS
from edge_rt.thermal.refit import LeakageTracker

LEAK_BOARDS = ("pi5", "nano", "agx")
DAYS, HOURS = 36, 3.0
NEAR = 0.15  # of the growth from 45 to 70 °C
_SETTLE_S, _REFIT_S = 3.0, 600.0  # as the daemon has them


@dataclass(frozen=True)
class Learnt:
    """What came of one day.

    `error` is of the growth of leakage, as a share; None: nothing was learnt. `held`: the true
    doubling lies within the interval that is told; None: there is none. `assumed`: the figure is
    tagged as not learnt.
    """

    board: str
    day: int
    error: float | None
    held: bool | None
    assumed: bool
    note: str

    @property
    def ok(self) -> bool:
        """Near the truth, or tagged."""
        return self.assumed or (self.error is not None and abs(self.error) <= NEAR)

    @property
    def line(self) -> str:
        """For people."""
        error = "nothing learnt" if self.error is None else f"growth off by {self.error:+.1%}"
        return f"leak {self.board} day{self.day}: {error}{', assumed' * self.assumed}; {self.note}"


def leak_jobs(quick: bool, only: str = "") -> list[tuple[str, int]]:
    """Board and day of each run."""
    days = 1 if quick else DAYS
    found = [(board, number) for board in LEAK_BOARDS for number in range(days)]
    words = only.split()
    return [j for j in found if all(w in f"leak {j[0]} day{j[1]}".split() for w in words)]


def learn(job: tuple[str, int]) -> Learnt:
    """One board, one day, and what the tracker made of it."""
    board, number = job
    figures = draw(KINDS[BOARDS[board]], 100 + number)
    tracker, quiet_s, next_s = LeakageTracker(), 0.0, _REFIT_S
    for look in day(figures, number, HOURS):
        quiet_s = quiet_s + 1.0 if look.idle else 0.0
        if quiet_s > _SETTLE_S:
            tracker.feed(look.time_s, look.temp_c, look.power_w)
        if look.time_s >= next_s:
            tracker.refit()
            next_s += _REFIT_S
    return judged(board, number, tracker, growth(figures))


def judged(board: str, number: int, tracker: LeakageTracker, truth: Growth) -> Learnt:
    """Hold what was learnt against what is so."""
    fit = tracker.fit
    if fit is None:
        return Learnt(board, number, None, None, False, tracker.rejection or "not fitted")
    error = (fit.leakage.power_w(70.0) - fit.leakage.power_w(45.0)) / truth.watts - 1.0
    held = fit.doubling_low_c <= truth.doubling_c <= fit.doubling_high_c
    interval = f"doubles each {fit.doubling_low_c:.0f} to {fit.doubling_high_c:.0f} K"
    return Learnt(board, number, error, held, False, f"{interval}, true {truth.doubling_c:.1f}")


def gathered(found: Sequence[Learnt]) -> dict[str, float]:
    """Shares over all boards, and by board."""
    values = _shares(found, "")
    for board in dict.fromkeys(one.board for one in found):
        values |= _shares([one for one in found if one.board == board], f"_{board}")
    return values


def _shares(found: Sequence[Learnt], name: str) -> dict[str, float]:
    told = [one.held for one in found if one.held is not None]
    values = {f"leak_ok{name}": sum(one.ok for one in found) / len(found)}
    if told:
        values[f"leak_cover{name}"] = sum(told) / len(told)
    return values
