"""Modes of decoding compete like other settings, with what their partners take."""

from __future__ import annotations

from dataclasses import replace

from route_help import BIG, GB, SMOL, TOKENS, ask, now, prediction

from edge_rt.core.routing import Prediction, RequestTokens, RunConfig
from edge_rt.core.trace import Considered, Trace
from edge_rt.routing.choice.ask import DecodingWay, Variant
from edge_rt.routing.choice.router import route as choose

PAIR = replace(
    BIG,
    quality=0.8,
    modes=("single", "speculative", "switch:ead"),
    ways={
        "speculative": DecodingWay("smol", 0.2 * GB, load_s=1.0, load_j=4.0),
        "switch:ead": DecodingWay("smol", 0.2 * GB, load_s=1.0, load_j=4.0),
    },
)
TAKES = {"single": (10.0, 50.0), "speculative": (7.0, 40.0), "switch:ead": (5.0, 30.0)}


def predict(setting: RunConfig, tokens: RequestTokens) -> Prediction:
    assert tokens == TOKENS
    return prediction(*TAKES[setting.mode])


def route(pair: Variant = PAIR, *loaded: Variant, **fields: object) -> Trace:
    board = now(*(loaded or (pair, SMOL)), threads=(2,), **fields)  # type: ignore[arg-type]
    return choose(ask(model="big"), [pair, SMOL], board, predict)


def found(trace: Trace, mode: str) -> Considered:
    return next(c for c in trace.considered if c.candidate.setting.mode == mode)


def test_each_mode_is_a_candidate_and_names_its_partner() -> None:
    trace = route()
    settings = [c.candidate.setting for c in trace.considered]
    assert {(s.mode, s.partner) for s in settings} == {
        ("single", None),
        ("speculative", "smol"),
        ("switch:ead", "smol"),
    }
    assert str(trace.chosen and trace.chosen.setting) == "big with 2 threads, switch:ead with smol"


def test_a_partner_that_is_not_there_has_to_be_loaded() -> None:
    candidate = found(route(PAIR, PAIR), "speculative").candidate
    assert (candidate.loaded, candidate.load_s, candidate.seconds) == (False, 1.0, 8.0)
    assert candidate.energy_j == 44.0
    there = found(route(), "speculative").candidate
    assert (there.loaded, there.load_s, there.energy_j) == (True, 0.0, 40.0)
    assert found(route(PAIR, PAIR), "single").candidate.loaded


def test_both_have_to_fit_into_memory() -> None:
    trace = route(PAIR, PAIR, usable_bytes=1.25 * GB)
    assert found(trace, "speculative").rule == "memory"
    assert trace.chosen is not None
    assert trace.chosen.setting.mode == "single"
    at_work = route(PAIR, PAIR, SMOL, usable_bytes=1.5 * GB, in_use={"smol": 0.2 * GB})
    assert found(at_work, "speculative").rule is None
