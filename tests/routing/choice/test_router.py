"""Whatever models, boards and predictions there are, the choice keeps its promises."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from route_help import GB, SMOL, TOKENS, ask, choose, now, prediction

from edge_rt.core.limits import Limits
from edge_rt.core.routing import LoadConfig, Prediction, Prefer
from edge_rt.core.trace import Candidate, Trace
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.choice.options import excess

AMOUNTS = st.floats(0.1, 100.0)
PREFERENCES: tuple[Prefer, ...] = ("energy", "latency", "quality")


@dataclass(frozen=True)
class Stage:
    """All that a choice depends on."""

    pool: list[Variant]
    told: dict[tuple[str, int], Prediction]
    ask: Ask
    now: Now

    def choose(self, **asked: object) -> Trace:
        request = replace(self.ask, **asked)  # pyright: ignore[reportArgumentType]
        return choose(self.told, request, self.pool, self.now)


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    pool = [draw(variants(i)) for i in range(draw(st.integers(1, 5)))]
    told = {
        (variant.id, threads): prediction(
            draw(AMOUNTS),
            draw(st.none() | AMOUNTS),
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
        quality=draw(st.floats(0, 1)),
    )
    return Stage(pool, told, request, draw(boards(pool)))


@st.composite
def variants(draw: st.DrawFn, number: int) -> Variant:
    return replace(
        SMOL,
        id=f"m{number}",
        weights=f"w{number // 2}" if draw(st.booleans()) else f"own {number}",
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
        guard=draw(st.sampled_from(("ok", "caution"))),
        allowance_w=draw(st.none() | st.floats(1, 20)),
    )
    loaded = {variant.id: LoadConfig(0, "f16") for variant in pool if draw(st.booleans())}
    return Now(limits, (1, 2, 3), draw(st.floats(0, 8)) * GB, loaded)


def able(trace: Trace) -> list[Candidate]:
    return [row.candidate for row in trace.considered if row.state != "dropped"]


@given(stages())
def test_the_chosen_one_is_feasible(stage: Stage) -> None:
    trace, limits = stage.choose(), stage.now.limits
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
    assert trace.within == (excess(chosen, stage.ask, limits) is None)


@given(stages())
def test_one_rule_decides_on_the_model(stage: Stage) -> None:
    trace, floor = stage.choose(prefer="energy"), stage.ask.quality
    if trace.chosen is None or not trace.within:
        return
    weights = {variant.id: variant.weights for variant in stage.pool}
    good = [one for one in able(trace) if one.quality is not None and one.quality >= floor]
    sizes = [one.bytes for one in good or able(trace)]
    wanted = min(sizes) if good else max(sizes)
    right = {weights[one.setting.variant] for one in good or able(trace) if one.bytes == wanted}
    assert weights[trace.chosen.setting.variant] in right


@given(stages())
def test_a_limit_is_broken_only_where_all_break_one(stage: Stage) -> None:
    trace = stage.choose()
    if trace.chosen is not None and not trace.within:
        for row in trace.considered:
            if row.candidate.seconds is not None:
                assert excess(row.candidate, stage.ask, stage.now.limits) is not None


@given(stages(), st.sampled_from(PREFERENCES))
def test_of_the_settings_of_the_model_the_preferred_one_is_taken(
    stage: Stage, prefer: Prefer
) -> None:
    trace = stage.choose(prefer=prefer)
    if trace.chosen is None or not trace.within:
        return
    name = "seconds" if prefer == "latency" else "energy_j"
    own = [one for one in able(trace) if one.setting.variant == trace.chosen.setting.variant]
    known = [getattr(one, name) for one in own if getattr(one, name) is not None]
    if known:
        assert getattr(trace.chosen, name) is not None
        assert getattr(trace.chosen, name) <= min(known)


@given(stages())
def test_every_candidate_is_told_of_once(stage: Stage) -> None:
    settings = [row.candidate.setting for row in stage.choose().considered]
    assert len(set(settings)) == len(settings) == 3 * len(stage.pool)


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_equal_figures_are_no_reason_to_load_anything_again(kv_type: str) -> None:
    kv_bytes = {"f16": 0.05 * GB, "q8_0": 0.03 * GB}
    pool = [replace(SMOL, kv_bytes=kv_bytes, load_s=0.01, load_j=0.01)]
    board = now(threads=(2,), loaded={"smol": LoadConfig(0, kv_type)})
    trace = choose({("smol", 2): prediction(3, 7)}, ask(model="smol"), pool, board)
    assert trace.chosen is not None
    assert trace.chosen.setting.kv_type == kv_type


def test_figures_of_loading_are_told_apart() -> None:
    pool = (replace(SMOL, load_s=1.5, load_j=4.0),)
    trace = choose({("smol", 2): prediction(3, 7)}, ask(), pool, now(threads=(2,)))
    assert trace.chosen is not None
    assert trace.chosen.load_s == 1.5
    assert trace.chosen.seconds == pytest.approx(4.5)
    assert trace.chosen.energy_j == pytest.approx(11.0)
