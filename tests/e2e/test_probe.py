"""`canitoolcall probe`, which judges how servers tell calls, against the real daemon.

What it expects of a model, ours are too small for: only what the daemon answers for is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from canitoolcall.probe import (
    BUILTIN_SCENARIOS,
    EQUIVALENCE_CHECK,
    SCENARIO_CHECK,
    ProbeOutcome,
    probe,
)

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pull import pull
from edge_rt.models.store.store import Store

FORCED = {"forced-tool-choice"}
CALLED = FORCED | {"single-call", "empty-args"}  # short ones that a small model finishes


def probed(daemon: Any, model: str, max_tokens: int = 60) -> dict[tuple[str, str], ProbeOutcome]:
    """The outcomes by scenario and check; "scenario" and "stream" are those of single requests."""
    bounded = [
        replace(one, extra_body={**one.extra_body, "max_tokens": max_tokens})
        for one in BUILTIN_SCENARIOS
    ]
    report = probe(f"{daemon.url()}/v1", model, scenarios=bounded, timeout_s=300)
    print(report.render_text())
    return {(one.scenario_id, _check(one)): one for one in report.outcomes}


def _check(outcome: ProbeOutcome) -> str:
    return "stream" if outcome.check == SCENARIO_CHECK and outcome.stream else outcome.check


@pytest.fixture(scope="module")
def daemon(make_daemon: Any, caller_store: Path) -> Iterator[Any]:
    engine = {"threads": 1, "context": 2048, "sequences": 4, "batch": 128}
    made = make_daemon(caller_store, tcp={"listen": "127.0.0.1:0"}, engine=engine)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("model", "passed"), [("caller", CALLED), ("smollm2-135m-instruct", FORCED)]
)
def test_what_a_model_calls_is_told_right(daemon: Any, model: str, passed: set[str]) -> None:
    for (scenario, check), one in probed(daemon, model).items():
        assert one.status in ("pass", "fail"), one
        assert not one.warnings, one
        assert "leaked" not in str(one.detail), one
        if scenario in passed or check == EQUIVALENCE_CHECK:
            assert one.status == "pass", one


# It makes one call where two are asked for, and calls again where it has the result; so it writes
# without a server, too, greedily and by its own template.
BEYOND_QWEN = {"parallel-calls", "tool-result-followup"}


@pytest.mark.qwen
def test_qwen_passes_what_it_is_able_to(make_daemon: Any, cache: Path, tmp_path: Path) -> None:
    model = "qwen2.5-coder-0.5b-instruct"
    pull(model, Store(tmp_path, load_catalogue()), cache=cache)
    engine = {"context": 2048, "sequences": 4}
    daemon = make_daemon(tmp_path, tcp={"listen": "127.0.0.1:0"}, engine=engine)
    try:
        for (scenario, _), one in probed(daemon, model, 400).items():
            assert one.status == "pass" or scenario in BEYOND_QWEN, one
    finally:
        daemon.close()
