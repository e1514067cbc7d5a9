"""How many samples are made, and which is the answer."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.generation.samples.rule import Ballot, Rule, Sample

VOTES = Rule(10, votes=True)


def ballot(votes: str, rule: Rule = VOTES) -> Ballot:
    return Ballot(rule, [Sample(vote=vote) for vote in votes])


@given(st.text("abc", max_size=9), st.floats(0.5, 1.0))
def test_a_leader_that_nobody_can_reach_is_certain_and_only_then(votes: str, stop: float) -> None:
    one = ballot(votes, Rule(10, votes=True, stop=stop))
    counts = [*one.counts, ("new", 0)]
    (leader, lead), *rivals = counts if votes else [("any", 0), *counts]
    came = [*dict.fromkeys(votes), leader, "new"]
    behind = (lead - count + (came.index(v) > came.index(leader)) for v, count in rivals)
    safe = min(behind) > one.left
    assert (one.certainty() == 1.0) == safe
    if safe:
        assert one.over() in ("accepted", "most")


@pytest.mark.parametrize("votes", ["aa", "aaa", "aaab", "aaaab", "aaaabb"])
def test_the_certainty_is_that_of_polyas_urn(votes: str) -> None:
    """Draw the rest by the urn; the bound may only be lower than what comes of it."""
    one, numbers, stays = ballot(votes, Rule(8, votes=True)), random.Random(1), 0
    for _ in range(4000):
        urn = {name: votes.count(name) + 1.0 for name in set(votes)} | {"new": 1.0}
        for _ in range(one.left):
            [drawn] = numbers.choices([*urn], [*urn.values()])
            urn[drawn] += 1.0
        lead = urn.pop("a")
        stays += all(lead >= other for other in urn.values())
    assert one.certainty() <= stays / 4000 + 0.03
    assert one.certainty() >= stays / 4000 - 0.12


def test_a_round_is_as_large_as_it_takes_to_end_and_no_larger() -> None:
    for votes in map("".join, product("ab", repeat=4)):
        one = ballot(votes)
        if one.over() is None:
            n, leader = one.next_round, one.counts[0][0]
            assert ballot(votes + leader * n).over() in ("accepted", "most")
            assert n == 1 or ballot(votes + leader * (n - 1)).over() is None


def test_agreement_needs_so_many_votes_and_ends_when_they_cannot_come() -> None:
    rule = Rule(3, votes=True, agree=2)
    assert (ballot("", rule).next_round, ballot("ab", rule).next_round) == (2, 1)
    assert [ballot(v, rule).over() for v in ("aa", "ab", "aba", "abc")] == [
        "accepted",
        None,
        "accepted",
        "most",
    ]
    assert ballot("ab", Rule(2, votes=True, agree=2)).over() == "most"
    assert ballot("abc", Rule(4, votes=True, agree=3)).over() == "stop"


def test_a_verifier_that_refuses_all_ends_when_hope_is_small() -> None:
    rule = Rule(16, verified=True, stop=0.8)
    refused = [Ballot(rule, [Sample(passed=False)] * n) for n in range(1, 17)]
    ended = [one.over() for one in refused]
    # (n + 1) / (n + left + 1) >= 0.8 from n = 13 on: 14 / 17
    assert ended == [None] * 12 + ["stop"] * 3 + ["most"]
    assert [one.next_round for one in refused[:4]] == [1, 2, 3, 4]


@pytest.mark.parametrize(("worth_j", "over"), [(8.9, "worth_j"), (9.1, None)])
def test_what_gains_less_than_it_takes_is_not_made(worth_j: float, over: str | None) -> None:
    rule = Rule(8, verified=True, worth_j=worth_j)
    one = Ballot(rule, [Sample(passed=False)])
    assert one.over(sample_j=3.0) == over, "one in three passes"
    assert one.over(sample_j=None) is None


def test_the_best_passed_then_has_the_leading_vote_then_is_the_likeliest() -> None:
    samples = [
        Sample(False, "a", -0.1),
        Sample(True, "b", -3.0),
        Sample(True, "a", -2.0),
        Sample(True, "a", -1.0),
    ]
    assert Ballot(VOTES, samples).best == [3, 2, 1, 0]
    assert Ballot(Rule(3)).best == []


def test_a_vote_of_a_refused_sample_does_not_count() -> None:
    samples = [Sample(False, "a"), Sample(False, "a"), Sample(True, "b")]
    assert Ballot(VOTES, samples).counts == [("b", 1)]
