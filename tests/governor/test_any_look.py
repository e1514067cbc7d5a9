"""Whatever is seen, there are limits, and they make sense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import ClockSteps, Observation
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior

figures = st.one_of(
    st.floats(), st.sampled_from([0.0, -1.0, 0.2, 5.0, 60.0, 80.0, 6e8, 1e300, math.nan, math.inf])
)
seen = st.one_of(st.none(), figures)
counts = st.integers(-5, 10**12)


def looks() -> st.SearchStrategy[Observation]:
    return st.builds(
        Observation,
        time_s=figures,
        dt_s=st.one_of(st.just(0.2), figures),
        power_w=seen,
        temp_c=seen,
        trip_c=seen,
        fan=seen,
        threads=counts,
        busy_s=figures,
        tokens=counts,
        running=counts,
        waiting=counts,
        others=seen,
        supply_j=seen,
        period_left_s=seen,
        prompt_s=figures,
        prompt_tokens=counts,
        cpu_s=seen,
        spare_s=figures,
        asked=st.one_of(st.none(), counts),
        gpu_s=seen,
        gpu_load=seen,
        cpu_hz=seen,
        gpu_hz=seen,
        near_c=seen,
    )


budgets = st.builds(
    BudgetConfig,
    power_w=st.sampled_from([None, 1e-9, 2.0, 8.0, 1e6]),
    power_window_s=st.sampled_from([0.2, 1.0, 60.0]),
    temp_c=st.sampled_from([None, 1.0, 60.0, 150.0]),
    energy_j=st.sampled_from([None, 1e-9, 20_000.0, 1e12]),
    energy_period=st.sampled_from(["hour", "day"]),
)
CPU_HZ, GPU_HZ = (6e8, 1.5e9, 2.4e9), (3e8, 6e8)
clocks = st.builds(
    ClockSteps, cpu_hz=st.sampled_from([(), CPU_HZ]), gpu_hz=st.sampled_from([(), GPU_HZ])
)


def governor(cores: int, budget: BudgetConfig, idle_w: float = 3.0) -> Governor:
    model = ThermalModel(ThermalPrior.generic(11.0, fan=True))
    return Governor(cores, budget, model, Priors(idle_w), GovernorConfig())


def assert_sane(known: Governor, cores: int) -> None:
    limits, told = known.limits, known.report
    assert 1 <= limits.threads <= cores
    assert 0.0 <= limits.duty <= 1.0
    assert limits.prefill_chunk is None or limits.prefill_chunk >= 1
    assert (limits.duty == 0.0) == (limits.guard == "evacuate")
    assert limits.prompt_duty is None or 0.0 <= limits.prompt_duty <= 1.0
    assert limits.cpu_hz in (known.clocks.cpu_hz or (None,))
    assert limits.gpu_hz in (known.clocks.gpu_hz or (None,))
    assert math.isfinite(limits.retry_after_s)
    assert limits.retry_after_s >= (1.0 if limits.admission != "open" else 0.0)
    assert limits.why
    figures: Sequence[Any] = (told.predicted_w, told.idle_w, told.margin_w, told.forecast_c)
    assert all(figure is None or math.isfinite(figure) for figure in figures)


@settings(max_examples=3 * settings().max_examples // 2)
@given(st.integers(1, 6), st.lists(st.tuples(budgets, clocks, looks()), min_size=1, max_size=12))
def test_nothing_that_is_seen_breaks_it(
    cores: int, story: Sequence[tuple[BudgetConfig, ClockSteps, Observation]]
) -> None:
    known = governor(cores, BudgetConfig())
    for budget, steps, look in story:
        known.budget, known.clocks = budget, steps
        assert known.step(look) is known.limits
        assert_sane(known, cores)
