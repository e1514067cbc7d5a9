"""The benchmark of several boards: requests are answered once, and a cap is what is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchlib.fleet import Fleet, Outcome, arrivals, balanced, least_busy
from benchmarks import fleet as bench
from click.testing import CliRunner

SECONDS = 40.0


def test_each_request_is_answered_once_by_whoever_sends_it() -> None:
    fleet = Fleet(0)
    requests = [one for one in arrivals(0, SECONDS, lambda now_s: 200.0) if one.came_s < 10.0]
    assert requests
    found = fleet.run(least_busy, requests, 400.0)
    assert found.tokens == sum(one.answer for one in requests)
    assert len(found.seconds) == len(requests)
    assert min(found.seconds) > 0.0


def test_the_shipped_routing_takes_fewer_joules_a_token_and_no_longer() -> None:
    ours, rivals = bench.runs(0, SECONDS, 0.6)
    assert ours.added_j / ours.tokens < min(one.added_j / one.tokens for one in rivals)
    assert ours.p95_s() < min(one.p95_s() for one in rivals)


def test_watts_over_the_budget_are_counted() -> None:
    assert bench.ok(Outcome(windows_w=[9.0, 10.0, 11.0, 12.0]), 10.0) == pytest.approx(0.5)


def test_the_shipped_routing_keeps_boards_at_rest_for_the_budget() -> None:
    requests = arrivals(0, SECONDS, lambda now_s: 1000.0)
    free, bound = Fleet(0), Fleet(0)
    with balanced(free) as send:
        most_w = max(free.run(send, requests, SECONDS).windows_w)
    budget_w = bound.idle_w + 0.4 * (most_w - bound.idle_w)
    with balanced(bound, budget_w) as send:
        found = bound.run(send, requests, SECONDS)
    assert most_w > budget_w
    assert bench.ok(found, budget_w) > 0.9
    assert found.tokens > 0


def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "fleet.json"
    done = CliRunner().invoke(bench.command, ["--minutes", "0.7", "--json", str(file)])
    assert done.exit_code == 0, done.output
    values = json.loads(file.read_text())["values"]
    assert {"fleet_joules_60", "fleet_p95_90", "fleet_ok", "fleet_tokens"} <= set(values)
    assert 0.0 < values["fleet_joules_60"] < 1.0
