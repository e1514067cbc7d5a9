"""Whatever happens in whatever order: the books balance, and bills stay."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_rt.board.integral import Energy
from edge_rt.board_model.idle import IdlePower
from edge_rt.energy.account import Account, Bill
from edge_rt.energy.attribution import Attribution

WAITS = st.one_of(st.floats(0.001, 0.2), st.floats(0.2, 5.0))
POWERS = st.floats(0.0, 30.0)
PARTS = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0))


class AnySchedule(RuleBasedStateMachine):
    """Readings with gaps and restarts, spans late and long, requests that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0
        self.told_s = 100.0
        self.read_s: float | None = None
        self.meter = Energy()
        self.total_j = self.spanned_s = 0.0
        self.accounts: list[Account] = []
        self.bills: dict[Account, Bill] = {}

    @initialize(
        idle=st.one_of(st.none(), st.floats(0.0, 10.0)),
        hold_s=st.sampled_from([0.5, 30.0]),
        resolution_s=st.sampled_from([0.0, 0.1]),
        count=st.sampled_from([0, 4, 32]),
    )
    def begin(self, idle: float | None, hold_s: float, resolution_s: float, count: int) -> None:
        self.attribution = Attribution(IdlePower(idle), resolution_s, hold_s)
        self.accounts = [self.attribution.open(self.now_s) for _ in range(count)]

    @rule(wait=WAITS)
    def wait(self, wait: float) -> None:
        self.now_s += wait

    @rule(wait=WAITS, power=POWERS, covered=st.one_of(st.just(1.0), st.floats(0.0, 1.0)))
    def read(self, wait: float, power: float, covered: float) -> None:
        self.now_s += wait
        passed = self.now_s - (self.now_s if self.read_s is None else self.read_s)
        here, before = covered * passed, self.meter
        self.meter = Energy(
            before.energy_j + power * here,
            before.covered_s + here,
            before.missing_s + passed - here,
        )
        self.total_j += self.meter.energy_j - before.energy_j
        self.spanned_s += passed
        self.read_s = self.now_s
        self.attribution.reading(self.now_s, self.meter)

    @precondition(lambda self: self.meter.covered_s > 0)
    @rule()
    def another_meter(self) -> None:
        self.now_s += 0.1
        assert self.read_s is not None
        self.spanned_s += self.now_s - self.read_s
        self.read_s, self.meter = self.now_s, Energy()
        self.attribution.reading(self.now_s, self.meter)

    @rule()
    def open(self) -> None:
        self.accounts.append(self.attribution.open(self.now_s))

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(self.accounts))
        bill = self.attribution.close(account, self.now_s)
        assert self.bills.setdefault(account, bill) == bill

    @rule(data=st.data(), overlap_s=st.sampled_from([0.0, 0.0, 0.3]), known=st.booleans())
    def tell(self, data: st.DataObject, overlap_s: float, known: bool) -> None:
        begin, end = self.told_s - overlap_s, self.now_s
        if end <= begin:
            return
        served: list[Account | None] = list(self.accounts[-8:]) if known else [None]
        shares = [(a, data.draw(PARTS)) for a in served]
        scale = (end - begin) / max(1, 2 * len(shares))
        self.attribution.told(begin, end, [(a, p * scale, d * scale) for a, (p, d) in shares])
        self.told_s = end

    @rule(loading=st.booleans())
    def load(self, loading: bool) -> None:
        self.attribution.loading = loading

    @rule()
    def lose_the_engine(self) -> None:
        self.attribution.lost(self.now_s)

    @invariant()
    def balanced(self) -> None:
        if not hasattr(self, "attribution"):
            return
        totals = self.attribution.totals
        assert totals.energy_j == pytest.approx(self.total_j, rel=1e-9, abs=1e-9)
        assert totals.covered_s + totals.missing_s == pytest.approx(self.spanned_s, abs=1e-6)
        given = sum(account.energy_j for account in self.accounts)
        whole_j = given + totals.energy_j - totals.attributed_j
        assert whole_j == pytest.approx(self.total_j, rel=1e-9, abs=1e-9)
        assert -1e-9 <= totals.attributed_j <= totals.energy_j * (1 + 1e-9) + 1e-9

    @invariant()
    def never_negative(self) -> None:
        for account in self.accounts:
            assert account.prefill_j >= 0.0
            assert account.decode_j >= 0.0
            assert account.resolved_s <= account.busy_s * (1 + 1e-9) + 1e-9

    @invariant()
    def bills_stay(self) -> None:
        for account, bill in self.bills.items():
            assert account.bill == bill
            assert account.energy_j == (bill.energy_j or 0.0)
            assert account.busy_s == bill.busy_s


TestAnySchedule = AnySchedule.TestCase
TestAnySchedule.settings = settings(
    max_examples=3 * settings().max_examples // 2, stateful_step_count=40, deadline=None
)
