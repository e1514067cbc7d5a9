"""Whatever models, boards and predictions there are, the choice keeps its promises."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_help import (
    GB,
    POOL,
    SMOL,
    SMOL_ONNX,
    TOKENS,
    ToldRouter,
    ask,
    now,
    prediction,
    setting,
)

from edge_rt.core.limits import Limits
from edge_rt.core.routing import LoadConfig, Prediction, Prefer, RunConfig
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.choice.history import REST_S, STALE_S, Ages
from edge_rt.routing.choice.pareto import TIE, figures
from edge_rt.routing.choice.rules import excess
from edge_rt.routing.choice.trace import Trace
from edge_rt.testing.board import FakeClock

AMOUNTS = st.floats(0.1, 100.0)
PREFERENCES: tuple[Prefer, ...] = ("energy", "latency", "quality")


@dataclass(frozen=True)
class Stage:
    """All that a choice depends on."""

    pool: list[Variant]
    told: dict[tuple[str, int], Prediction]
    ask: Ask
    now: Now
    measured_h: dict[RunConfig, float]

    def ages(self, exploring: bool) -> Ages:
        clock = FakeClock()
        ages = Ages(clock)
        for known, age_h in self.measured_h.items():
            ages.note(known, clock.now - 3600.0 * age_h)
        if not exploring:
            ages.explored()
        return ages

    def choose(self, exploring: bool = False) -> Trace:
        return ToldRouter(self.told, self.ages(exploring)).choose(self.ask, self.pool, self.now)


@st.composite
def stages(draw: st.DrawFn, joules: bool = False) -> Stage:
    """`joules`: all are known."""
    count = draw(st.integers(1, 5))
    pool = [draw(variants(i)) for i in range(count)]
    known_j = AMOUNTS if joules else st.none() | AMOUNTS
    told = {
        (variant.id, threads): prediction(
            draw(AMOUNTS),
            draw(known_j),
            power_w=draw(st.none() | st.floats(1, 20)),
            error_ratio=draw(st.floats(0.0, 2.0)),
        )
        for variant in pool
        for threads in (1, 2, 3)
        if draw(st.booleans())
    }
    request = Ask(
        tokens={variant.id: TOKENS for variant in pool},
        prefer=draw(st.sampled_from(PREFERENCES)),
        latency_s=draw(st.none() | AMOUNTS),
        energy_j=draw(st.none() | AMOUNTS),
        quality=draw(st.none() | st.floats(0, 1)),
    )
    measured_h = {
        RunConfig(variant.id, threads, 0, "single", "f16"): draw(st.floats(0, 100))
        for variant, threads in told_settings(told)
        if draw(st.booleans())
    }
    return Stage(pool, told, request, draw(boards(pool)), measured_h)


def told_settings(told: dict[tuple[str, int], Prediction]) -> list[tuple[Variant, int]]:
    return [(replace(SMOL, id=id), threads) for id, threads in told]


@st.composite
def variants(draw: st.DrawFn, number: int) -> Variant:
    return replace(
        SMOL,
        id=f"m{number}",
        source=f"s{number // 2}",
        context=draw(st.sampled_from((100, 4096))),
        weights_bytes=draw(st.floats(0.1, 4.0)) * GB,
        quality=draw(st.none() | st.floats(0, 1)),
        load_s=draw(st.floats(0, 5)),
        load_j=draw(st.floats(0, 5)),
    )


@st.composite
def boards(draw: st.DrawFn, pool: list[Variant]) -> Now:
    limits = Limits(
        draw(st.integers(1, 3)),
        heavy=draw(st.booleans()),
        smaller=draw(st.booleans()),
        guard=draw(st.sampled_from(("ok", "caution"))),
        allowance_w=draw(st.none() | st.floats(1, 20)),
    )
    loaded = {variant.id: LoadConfig(0, "f16") for variant in pool if draw(st.booleans())}
    return Now(limits, (1, 2, 3), draw(st.floats(0, 8)) * GB, loaded)


@given(stages(), st.booleans())
def test_the_chosen_one_is_feasible(stage: Stage, exploring: bool) -> None:
    trace, limits = stage.choose(exploring), stage.now.limits
    chosen = trace.chosen
    if chosen is None:
        assert all(row.state == "dropped" for row in trace.considered)
        return
    variant = next(v for v in stage.pool if v.id == chosen.setting.variant)
    assert chosen.setting.threads <= limits.threads
    assert TOKENS.prompt + TOKENS.completion <= variant.context
    if not chosen.loaded:
        assert limits.heavy
        assert chosen.cpq is not None
        assert chosen.cpq < 0.95
    known = chosen.seconds is not None
    assert trace.within == (known and excess(chosen, stage.ask, limits) is None)
    if not known:
        rows = [row for row in trace.considered if row.rule != "quality"]
        assert all(row.candidate.seconds is None for row in rows)


@given(stages(), st.booleans())
def test_what_is_below_the_floor_is_chosen_only_where_all_is_and_nothing_is_better(
    stage: Stage, exploring: bool
) -> None:
    trace, floor = stage.choose(exploring), stage.ask.quality
    if trace.chosen is None or not trace.within or floor is None:
        return
    within = [
        row.candidate
        for row in trace.considered
        if row.candidate.seconds is not None
        and excess(row.candidate, stage.ask, stage.now.limits) is None
    ]
    best = max(candidate.quality or 0.0 for candidate in within)
    least = floor if best >= floor else best * (1 - TIE)
    assert (trace.chosen.quality or 0.0) >= least


@given(stages(), st.booleans())
def test_a_limit_is_broken_only_where_all_break_one(stage: Stage, exploring: bool) -> None:
    trace = stage.choose(exploring)
    if trace.chosen is None or trace.within:
        return
    for row in trace.considered:
        if row.candidate.seconds is not None and row.rule != "quality":
            assert excess(row.candidate, stage.ask, stage.now.limits) is not None


@given(stages())
def test_nothing_within_the_limits_dominates_the_chosen_one(stage: Stage) -> None:
    trace = stage.choose()
    if trace.chosen is None or not trace.within:
        return
    able = [row.candidate for row in trace.considered if row.state in ("front", "dominated")]
    assert not any(figures(other).dominates(figures(trace.chosen)) for other in able)


@given(stages())
def test_what_explores_may_be_the_best_and_stays_within_all_limits(stage: Stage) -> None:
    trace = stage.choose(exploring=True)
    chosen = trace.chosen
    if chosen is None or not trace.explores:
        return
    assert chosen.age_s is None or chosen.age_s > STALE_S
    best = figures(chosen, doubtful=True)
    others = [row.candidate for row in trace.considered if row.state in ("front", "dominated")]
    assert not any(figures(other).dominates(best) for other in others)
    assert stage.now.limits.guard == "ok"
    assert chosen.seconds is not None
    if stage.ask.latency_s is not None:
        assert chosen.seconds * (1 + (chosen.error_ratio or 0)) <= stage.ask.latency_s


@given(stages())
def test_every_candidate_is_told_of_once(stage: Stage) -> None:
    settings = [row.candidate.setting for row in stage.choose().considered]
    assert len(set(settings)) == len(settings) == 3 * len(stage.pool)


@given(stages(), st.floats(1.05, 3.0))
def test_a_dominated_candidate_more_changes_nothing(stage: Stage, worse: float) -> None:
    trace = stage.choose()
    if trace.chosen is None or not trace.within:
        return
    chosen = next(v for v in stage.pool if v.id == trace.chosen.setting.variant)
    shadow = replace(chosen, id="shadow")
    told = dict(stage.told)
    for threads in (1, 2, 3):
        found = told.get((chosen.id, threads))
        if found is not None:
            energy_j = None if found.energy_j is None else found.energy_j * worse
            told["shadow", threads] = replace(
                found, seconds=found.seconds * worse, energy_j=energy_j
            )
    loaded = dict(stage.now.loaded)
    if chosen.id in loaded:
        loaded["shadow"] = loaded[chosen.id]
    more = Stage(
        [*stage.pool, shadow],
        told,
        replace(stage.ask, tokens={**stage.ask.tokens, "shadow": TOKENS}),
        replace(stage.now, loaded=loaded),
        stage.measured_h,
    )
    again = more.choose().chosen
    assert again is not None
    assert again.setting == trace.chosen.setting


@given(stages(joules=True), AMOUNTS, st.floats(1.0, 10.0))
def test_a_later_deadline_never_takes_more_joules(
    stage: Stage, latency_s: float, later: float
) -> None:
    early, late = (
        replace(stage, ask=replace(stage.ask, latency_s=limit, prefer="energy", quality=None))
        for limit in (latency_s, latency_s * later)
    )
    early, late = early.choose(), late.choose()
    if early.chosen is None or not early.within:
        return
    assert late.chosen is not None
    assert early.chosen.energy_j is not None
    assert late.chosen.energy_j is not None
    assert late.chosen.energy_j <= early.chosen.energy_j * (1 + TIE) * (1 + 1e-9)


@given(stages(joules=True), AMOUNTS, st.floats(1.0, 10.0))
def test_more_joules_allowed_never_take_more_seconds(
    stage: Stage, energy_j: float, more: float
) -> None:
    stage = replace(stage, now=replace(stage.now, limits=replace(stage.now.limits, smaller=False)))
    tight, wide = (
        replace(stage, ask=replace(stage.ask, energy_j=limit, prefer="latency", quality=None))
        for limit in (energy_j, energy_j * more)
    )
    tight, wide = tight.choose(), wide.choose()
    if tight.chosen is None or not tight.within:
        return
    assert wide.chosen is not None
    assert tight.chosen.seconds is not None
    assert wide.chosen.seconds is not None
    assert wide.chosen.seconds <= tight.chosen.seconds * (1 + TIE) * (1 + 1e-9)


@given(stages(joules=True))
def test_each_preference_gets_the_best_of_its_kind(stage: Stage) -> None:
    limits = replace(stage.now.limits, smaller=False)
    stage = replace(stage, now=replace(stage.now, limits=limits))
    chosen = {
        prefer: replace(stage, ask=replace(stage.ask, prefer=prefer)).choose()
        for prefer in PREFERENCES
    }
    if any(trace.chosen is None or not trace.within for trace in chosen.values()):
        return
    energy, latency, quality = (
        figures(chosen[p].chosen)  # pyright: ignore[reportArgumentType]
        for p in PREFERENCES
    )
    assert energy.energy_j <= min(latency.energy_j, quality.energy_j) * (1 + TIE)
    assert latency.seconds <= min(energy.seconds, quality.seconds) * (1 + TIE)
    assert quality.quality >= max(energy.quality, latency.quality) * (1 - TIE)


def test_tied_settings_take_turns() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    told = {(v.id, 2): prediction(3, 7) for v in (SMOL, SMOL_ONNX)}
    routed = ToldRouter(told, ages)
    taken: list[str] = []
    for _ in range(6):
        chosen = routed.choose(ask(model="smol"), POOL, now(SMOL, SMOL_ONNX, threads=(2,))).chosen
        assert chosen is not None
        taken.append(chosen.setting.variant)
        ages.note(chosen.setting)
        clock.now += 1.0
    assert taken in (["smol", "smol-onnx"] * 3, ["smol-onnx", "smol"] * 3)


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_a_tie_is_no_reason_to_load_anything_anew(kv_type: str) -> None:
    ages = Ages(FakeClock())
    ages.explored()
    kv_bytes = {"f16": 0.05 * GB, "q8_0": 0.03 * GB}
    pool = [replace(SMOL, kv_bytes=kv_bytes, load_s=0.01, load_j=0.01)]
    board = now(threads=(2,), loaded={"smol": LoadConfig(0, kv_type)})
    routed = ToldRouter({("smol", 2): prediction(3, 7)}, ages)
    for _ in range(3):
        trace = routed.choose(ask(model="smol"), pool, board)
        assert trace.chosen is not None
        assert trace.chosen.setting.kv_type == kv_type
        assert "tied" not in trace.why
        ages.note(trace.chosen.setting)


def test_what_may_be_the_best_is_loaded_to_be_measured() -> None:
    told = {("smol", 2): prediction(3, 7), ("smol-onnx", 2): prediction(3.6, 8.4, error_ratio=0.3)}
    ages = Ages(FakeClock())
    ages.note(setting(SMOL))
    trace = ToldRouter(told, ages).choose(ask(model="smol"), POOL, now(SMOL, threads=(2,)))
    assert trace.explores
    assert trace.chosen is not None
    assert trace.chosen.setting.variant == "smol-onnx"


def test_exploring_is_rare_and_ends_with_a_measurement() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    told = {
        ("smol", 2): prediction(3, 7),
        ("smol-onnx", 2): prediction(3.6, 8.4, error_ratio=0.3),
    }
    routed, board = ToldRouter(told, ages), now(SMOL, SMOL_ONNX, threads=(2,))
    explored: list[float] = []
    for _ in range(400):
        trace = routed.choose(ask(model="smol"), POOL, board)
        routed.follow(trace)
        assert trace.chosen is not None
        if trace.explores:
            explored.append(clock.now)
        if trace.chosen.setting.variant == "smol" or len(explored) == 3:
            ages.note(trace.chosen.setting)
        clock.now += 10.0
    assert len(explored) == 3  # two of which taught nothing
    assert all(b - a >= REST_S for a, b in itertools.pairwise(explored))


def test_asking_alone_changes_nothing() -> None:
    told = {("smol", 2): prediction(3, 7), ("smol-onnx", 2): prediction(3.6, 8.4, error_ratio=0.3)}
    routed = ToldRouter(told)
    board = now(SMOL, SMOL_ONNX, threads=(2,))
    first = routed.choose(ask(model="smol"), POOL, board)
    assert routed.choose(ask(model="smol"), POOL, board) == first


def test_a_tie_of_qualities_is_broken_by_joules() -> None:
    pool = (replace(SMOL, quality=0.7), replace(SMOL_ONNX, quality=0.695))
    told = {("smol", 2): prediction(3, 9), ("smol-onnx", 2): prediction(3, 7)}
    trace = ToldRouter(told).choose(
        ask(model="smol", prefer="quality"), pool, now(SMOL, SMOL_ONNX, threads=(2,))
    )
    assert trace.chosen is not None
    assert trace.chosen.setting.variant == "smol-onnx"


def test_figures_of_loading_are_told_apart() -> None:
    pool = (replace(SMOL, load_s=1.5, load_j=4.0),)
    trace = ToldRouter({("smol", 2): prediction(3, 7)}).choose(ask(), pool, now(threads=(2,)))
    assert trace.chosen is not None
    assert trace.chosen.load_s == 1.5
    assert trace.chosen.seconds == pytest.approx(4.5)
    assert trace.chosen.energy_j == pytest.approx(11.0)
