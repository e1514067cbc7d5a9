"""All evidence adds up, and says what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.quality.assessor import (
    Estimator,
    ModelFacts,
    Nearness,
    Prototypes,
    log_odds,
    probability,
)
from edge_rt.routing.quality.rulebook import (
    Benchmark,
    Examples,
    Rule,
    Rulebook,
    Size,
    load_rulebook,
)

BOOK = Rulebook(
    rules=[
        Rule(name="sums", words=["sum"], kind="maths", weight=-1.0),
        Rule(name="short", measure="words", most=5, weight=0.5),
    ],
    tests={
        "arc": Benchmark(kind="choice", easier=0.0),
        "gsm8k": Benchmark(kind="maths", easier=-1.0),
    },
    size=Size(parameters=1e9, log_odds=0.0, per_doubling=1.0),
    examples=Examples(weight=4.0, easy=["a"], hard=["b"]),
)


def p(text: str, known: ModelFacts, near: Nearness | None = None) -> float | None:
    return Estimator(BOOK).assess(text, {"m": known}, near).p("m")


def test_rules_move_all_models_alike() -> None:
    assert p("one two three four five six", ModelFacts({"arc": 0.5})) == pytest.approx(0.5)
    assert p("a few", ModelFacts({"arc": 0.5})) == pytest.approx(probability(0.5))
    assert p("what is the sum", ModelFacts({"arc": 0.5})) == pytest.approx(probability(-0.5))
    assert p("what is the sum", ModelFacts({"arc": 0.8})) == pytest.approx(
        probability(log_odds(0.8) - 0.5)
    )


def test_tests_of_the_prompts_kind_count_where_there_are_any() -> None:
    both = ModelFacts({"arc": 0.5, "gsm8k": 0.7})
    sums = p("and what is the sum of it then", both)
    assert sums == pytest.approx(0.7)
    ability = (0.0 + log_odds(0.7) + 1.0) / 2
    assert p("one two three four five six", both) == pytest.approx(probability(ability))


def test_a_test_that_nobody_knows_is_as_usual_prompts_are() -> None:
    assert p("one two three four five six", ModelFacts({"own": 0.6})) == pytest.approx(0.6)


def test_a_model_that_was_never_evaluated_goes_by_its_size() -> None:
    text = "one two three four five six"
    assert p(text, ModelFacts({}, 1_000_000_000)) == pytest.approx(0.5)
    assert p(text, ModelFacts({}, 2_000_000_000)) == pytest.approx(probability(1.0))
    assert p(text, ModelFacts()) is None


def test_the_nearest_examples_count_where_somebody_compared() -> None:
    text, known = "one two three four five six", ModelFacts({"arc": 0.5})
    assert p(text, known, Nearness(0.6, 0.35)) == pytest.approx(probability(1.0))
    assert p(text, known, Nearness(0.35, 0.6)) == pytest.approx(probability(-1.0))
    near = Prototypes([[1.0, 0.0], [3.0, 4.0]], [[0.0, 2.0]]).near([3.0, 4.0])
    assert near == (pytest.approx(1.0), pytest.approx(0.8))


def test_each_reason_is_told() -> None:
    found = Estimator(BOOK).assess("the sum", {"m": ModelFacts({"arc": 0.5})}, Nearness(0.5, 0.25))
    assert found.chances["m"].reasons == (
        "arc 0.50, so +0.00",
        "sums -1.00",
        "short +0.50",
        "as an easy example 0.50, a hard one 0.25 +1.00",
    )
    assert found.features.context == ("maths", "short", "plain")


@given(st.text(max_size=400), st.floats(0, 1), st.floats(0, 1))
def test_who_is_better_in_tests_is_no_worse_in_prompts(text: str, one: float, two: float) -> None:
    known = {
        "small": ModelFacts({"arc": min(one, two)}),
        "large": ModelFacts({"arc": max(one, two)}),
    }
    found = Estimator(load_rulebook()).assess(text, known)
    small, large = found.chances["small"].p, found.chances["large"].p
    assert 0.0 < small <= large < 1.0
