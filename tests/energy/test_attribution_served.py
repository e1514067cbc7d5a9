"""An engine serves many at once, and tells of it late: the books balance at every moment."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metered import IDLE_W, Plant

from edge_rt.board_model.idle import IdlePower
from edge_rt.energy.account import Account, Bill
from edge_rt.energy.attribution import Attribution

PASS_S = 0.04  # of one pass, a fifth of it nobody's
END_S = 12.0


@dataclass
class Request:
    begin_s: float
    length_s: float
    weight: float
    account: Account | None = None
    bill: Bill | None = None

    @property
    def end_s(self) -> float:
        return self.begin_s + self.length_s


REQUESTS = st.builds(Request, st.floats(2.0, 8.0), st.floats(0.05, 3.0), st.floats(0.1, 1.0))


@dataclass
class Scene:
    """Steps through time pass by pass; `late_s` is how long the engine keeps what it did."""

    plant: Plant
    requests: list[Request]
    late_s: float
    attribution: Attribution = field(default_factory=lambda: Attribution(IdlePower()))
    kept: list[tuple[float, float, list[tuple[Account | None, float, float]]]] = field(
        default_factory=list
    )

    def run(self) -> None:
        now = 0.0
        while now < END_S:
            self.attend(now)
            self.plant.until(now + PASS_S, self.attribution)
            self.serve(now, now + PASS_S)
            self.check()
            now += PASS_S
        self.attend(END_S)
        self.check()

    def attend(self, now: float) -> None:
        for request in self.requests:
            if request.account is None and request.begin_s <= now:
                request.account = self.attribution.open(now)
            elif request.account and request.bill is None and request.end_s <= now:
                self.tell()
                request.bill = self.attribution.close(request.account, now)

    def serve(self, begin: float, end: float) -> None:
        running = [r for r in self.requests if r.account is not None and r.bill is None]
        whole = sum(r.weight for r in running) or 1.0
        shares: list[tuple[Account | None, float, float]] = [
            (r.account, 0.2 * PASS_S * r.weight / whole, 0.6 * PASS_S * r.weight / whole)
            for r in running
        ]
        if shares:
            self.kept.append((begin, end, shares))
        if self.kept and end - self.kept[0][0] > self.late_s:
            self.tell()

    def tell(self) -> None:
        for begin, end, shares in self.kept:
            self.attribution.told(begin, end, shares)
        self.kept.clear()

    def check(self) -> None:
        totals, meter = self.attribution.totals, self.plant.meter.total()
        assert totals.energy_j == pytest.approx(meter.energy_j, rel=1e-9)
        given = sum(r.account.energy_j for r in self.requests if r.account)
        assert given + totals.energy_j - totals.attributed_j == pytest.approx(
            meter.energy_j, rel=1e-9
        )
        assert totals.attributed_j <= totals.energy_j + 1e-9
        for request in self.requests:
            if request.account is not None and request.bill is not None:
                assert request.account.bill == request.bill
                assert request.account.energy_j == (request.bill.energy_j or 0.0)


@settings(max_examples=30)
@pytest.mark.parametrize("count", [1, 4, 32])
@given(st.data(), st.sampled_from([0.0, 0.3, 2.0]), st.booleans())
def test_the_books_balance(count: int, data: st.DataObject, late_s: float, gap: bool) -> None:
    requests = [data.draw(REQUESTS) for _ in range(count)]
    work = [(r.begin_s, r.end_s + PASS_S) for r in requests]
    scene = Scene(Plant(work, [(4.0, 4.5)] if gap else []), requests, late_s)
    scene.run()
    bills = [r.bill for r in requests if r.bill is not None]
    assert len(bills) == count
    for bill in bills:
        assert bill.energy_j is None or bill.energy_j >= 0.0
    if not gap:
        assert all(bill.resolved for bill in bills if bill.busy_s)
        known_j = sum(bill.energy_j or 0.0 for bill in bills)
        assert known_j == pytest.approx(scene.attribution.totals.attributed_j, rel=1e-9)
        totals = scene.attribution.totals
        assert totals.energy_j - totals.attributed_j >= 0.9 * IDLE_W * END_S
