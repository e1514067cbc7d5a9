"""A model with a partner is judged by what both of them take."""

from __future__ import annotations

from dataclasses import replace

from route_help import BIG, GB, SMOL, TOKENS, ask, now, prediction

from edge_rt.core.routing import Prediction, RequestTokens, RunConfig
from edge_rt.core.trace import Considered, Trace
from edge_rt.routing.choice.ask import Helper, Variant
from edge_rt.routing.choice.rule import choose

PAIR = replace(
    BIG,
    quality=0.8,
    mode="speculative",
    helper=Helper("smol", 0.2 * GB, load_s=1.0, load_j=4.0),
)


def predict(setting: RunConfig, tokens: RequestTokens) -> Prediction:
    assert tokens == TOKENS
    return prediction(7.0, 40.0)


def route(pair: Variant = PAIR, *loaded: Variant, **fields: object) -> Trace:
    board = now(*(loaded or (pair, SMOL)), threads=(2,), **fields)  # type: ignore[arg-type]
    return choose(ask(model="big", prefer="quality"), [pair, SMOL], board, predict)


def found(trace: Trace, variant: Variant = PAIR) -> Considered:
    return next(c for c in trace.considered if c.candidate.setting.variant == variant.id)


def test_a_candidate_names_its_mode_and_partner() -> None:
    trace = route()
    assert trace.chosen is not None
    setting = trace.chosen.setting
    assert (setting.mode, setting.partner) == ("speculative", "smol")
    assert str(setting) == "big with 2 threads, speculative with smol"


def test_a_partner_that_is_not_there_has_to_be_loaded() -> None:
    candidate = found(route(PAIR, PAIR)).candidate
    assert (candidate.loaded, candidate.load_s, candidate.seconds) == (False, 1.0, 8.0)
    assert candidate.energy_j == 44.0
    there = found(route()).candidate
    assert (there.loaded, there.load_s, there.energy_j) == (True, 0.0, 40.0)
    alone = replace(PAIR, mode="single", helper=None)
    assert found(route(alone, alone)).candidate.loaded


def test_both_have_to_fit_into_memory() -> None:
    assert found(route(PAIR, PAIR, usable_bytes=1.25 * GB)).rule == "memory"
    alone = replace(PAIR, mode="single", helper=None)
    assert found(route(alone, usable_bytes=1.25 * GB)).rule is None
    at_work = route(PAIR, PAIR, SMOL, usable_bytes=1.5 * GB, in_use={"smol": 0.2 * GB})
    assert found(at_work).rule is None
