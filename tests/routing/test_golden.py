"""Each rule of routing, as cases of request, board and predictions."""

from __future__ import annotations

from typing import get_args

import pytest
from golden_case import Case, cases, full_name, short_name

from edge_rt.core.trace import Candidate, Rule

CASES = cases()


def called(candidate: Candidate, names: set[str]) -> str:
    full = full_name(candidate.setting)
    return full if full in names else short_name(candidate.setting)


@pytest.mark.parametrize("case", CASES, ids=[case.case for case in CASES])
def test_the_expected_candidate_is_chosen(case: Case) -> None:
    expected = case.expected
    trace, chosen = case.route(), case.route().chosen
    names = {*expected.others, *expected.reasons, expected.chosen or ""}
    assert (chosen and called(chosen, names)) == expected.chosen, trace.why
    assert expected.why in trace.why
    assert trace.within == expected.within, trace.why
    if expected.joules is not None:
        assert chosen is not None
        assert chosen.energy_j == pytest.approx(expected.joules)
    found = {called(row.candidate, names): row for row in trace.considered}
    for name, state in expected.others.items():
        row = found[name]
        assert " ".join(filter(None, (row.state, row.rule))) == state, row.reason
    for name, words in expected.reasons.items():
        assert words in found[name].reason


def test_each_rule_that_drops_a_candidate_has_a_case() -> None:
    states = {state for case in CASES for state in case.expected.others.values()}
    assert {f"dropped {rule}" for rule in get_args(Rule)} <= states
    assert "able" in states


def test_no_two_cases_have_the_same_name() -> None:
    names = [case.case for case in CASES]
    assert len(set(names)) == len(names)
