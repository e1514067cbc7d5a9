"""A pass is expected to take what the runtime model says."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.config.schema import Engine
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import StoreError
from edge_rt.core.routing import Prediction
from edge_rt.engine.channel import Doing
from edge_rt.engine.client import EngineClient
from edge_rt.engine.protocol import Embed, Generate
from edge_rt.generation.request_budget import UNKNOWN_S, ExpectedTimes
from edge_rt.models.loading import resident_name


def expected_s(
    kit: Any,
    request: Any,
    tokens: int,
    *,
    known: bool = True,
    backend: str = "llama.cpp",
    layers: int = 0,
) -> float:
    """Of a model that takes 10 ms for a token that is read, at the end of a full context."""

    def least(entry: Any, prompt: int, cached: int) -> Prediction | None:
        assert prompt == 1024
        seconds = 0.01 * (prompt - cached)
        known_s = Prediction(seconds, seconds, 0.0, None, None, None, 0.1, None, "roofline")
        return known_s if known else None

    client = SimpleNamespace(request={3: request}.get, loading=False)
    entry = replace(kit.entry, backend=backend)
    store = cast(Any, SimpleNamespace(get=lambda id: entry))
    expecting = ExpectedTimes(store, Engine(context=1024, gpu_layers=layers), least)
    return expecting.seconds(cast(EngineClient, client), Doing(1, tokens, frozenset({3})))


def test_what_is_read_at_once_takes_its_time(kit: Any) -> None:
    asked = Generate(3, resident_name(kit.entry), "x", False, Sampling(), 8)
    assert expected_s(kit, asked, 128) == pytest.approx(1.28)
    assert expected_s(kit, asked, 0) == pytest.approx(0.01)
    assert expected_s(kit, asked, 128, known=False) == UNKNOWN_S
    assert expected_s(kit, asked, 0, backend="onnx") == UNKNOWN_S  # it may be loaded anew
    assert expected_s(kit, asked, 0, layers=9) == UNKNOWN_S  # a driver may compile its kernels


def test_what_is_not_known_has_some_time(kit: Any) -> None:
    other = Generate(3, "other@0", "x", False, Sampling(), 8)
    for request in (None, other, Embed(3, "e", ["x"])):
        assert expected_s(kit, request, 1) == UNKNOWN_S
    assert expected_s(kit, Embed(3, "e", ["x"]), 0) == UNKNOWN_S


def test_an_engine_at_work_for_nobody_is_expected_to_be_quick(kit: Any) -> None:
    def unreadable(id: str) -> Any:
        raise StoreError("gone")

    store = cast(Any, SimpleNamespace(get=unreadable))
    expecting = ExpectedTimes(store, Engine(), lambda *_: None)
    client = cast(EngineClient, SimpleNamespace(request=lambda id: None, loading=False))
    assert expecting.seconds(client, Doing(1, 0, frozenset())) == 0.0
    assert expecting.seconds(client, Doing(1, 0, frozenset({1}))) == UNKNOWN_S


def test_a_load_may_take_what_residency_lets_it_take() -> None:
    expecting = ExpectedTimes(cast(Any, None), Engine(), lambda *_: None)
    client = cast(EngineClient, SimpleNamespace(loading=True))
    assert expecting.seconds(client, Doing(1, 0, frozenset())) == math.inf
