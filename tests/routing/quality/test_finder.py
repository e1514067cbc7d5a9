"""Rules held against prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.quality.finder import LOOKED_AT, Finder, features
from edge_rt.routing.quality.rulebook import MEASURES, Rule, load_rulebook

CAT = Rule(name="cat", words=["cat", "c++"], weight=0.5, kind="animals")
CODE = Rule(name="code", regex=r"\bdef\b", weight=-0.5, kind="code")
BIG = Rule(name="big code", regex="class", weight=-1.0, kind="code")
FEW = Rule(name="few", measure="words", most=3, weight=1.0)


def names(text: str, *rules: Rule) -> list[str]:
    return [rule.name for rule in Finder(rules).find(text).rules]


def test_words_are_whole_and_their_case_does_not_matter() -> None:
    assert names("A Cat.", CAT) == names("in C++?", CAT) == ["cat"]
    assert names("concatenate", CAT) == []


def test_the_first_kind_that_fits_rules_others_out() -> None:
    found = Finder([CAT, CODE, BIG, FEW]).find("def cat")
    assert (found.kind, [rule.name for rule in found.rules]) == ("animals", ["cat", "few"])
    found = Finder([CODE, BIG, CAT]).find("def cat class")
    assert (found.kind, [rule.name for rule in found.rules]) == ("code", ["code", "big code"])
    assert Finder([FEW]).find("yes").kind == "other"


def test_what_is_within_a_kind_gives_none() -> None:
    long = Rule(name="long", measure="words", least=2, weight=-1.0, within="code")
    found = Finder([long, CODE, CAT]).find("my cat")
    assert (found.kind, [rule.name for rule in found.rules]) == ("animals", ["cat"])
    found = Finder([long, CODE, CAT]).find("def x")
    assert (found.kind, [rule.name for rule in found.rules]) == ("code", ["long", "code"])


def test_a_measure_has_both_ends() -> None:
    between = Rule(name="some", measure="numbers", least=2, most=3, weight=1.0)
    texts = ["1", "1 2", "1, 2 and 3.5", "1 2 3 4"]
    assert [bool(names(text, between)) for text in texts] == [False, True, True, False]


def test_of_a_long_prompt_both_ends_are_looked_at() -> None:
    long = "x " * LOOKED_AT
    assert names("cat " + long, CAT) == names(long + " cat", CAT) == ["cat"]
    assert names(long + " cat " + long, CAT) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("What is it?\n\nA. a stone\nB. a plant\n", "choice"),
        ("```python\nx = 1\n```", "code"),
        ("Write a short function that sorts a list.", "code"),
        ("What is $x^2$ for x in the reals?", "maths"),
        ("Tom has 3 apples and eats 2. How many are left?", "maths"),
        ("Hello there!", "talk"),
        ("Translate this into French: the sun is up.", "rewrite"),
        ("Who wrote Faust?", "other"),
        ("", "other"),
    ],
)
def test_the_rules_of_the_project_tell_kinds_apart(text: str, kind: str) -> None:
    assert Finder(load_rulebook().rules).find(text).kind == kind


@given(st.text(max_size=300))
def test_any_text_has_features(text: str) -> None:
    found = Finder(load_rulebook().rules).find(text)
    assert {rule.kind for rule in found.rules} <= {None, found.kind}
    assert all(measure(text) >= 0.0 for measure in MEASURES.values())


def test_levels_are_by_log_odds() -> None:
    levels = [features("other", "short", moved).level for moved in (-0.6, -0.5, 0.5, 0.6)]
    assert levels == ["hard", "plain", "plain", "easy"]
    assert features("code", "long", -2.0).context == ("code", "long", "hard")


def test_a_regex_without_end_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    endless = Rule(name="endless", regex="^(a+)+$", weight=-1.0, kind="never")
    finder = Finder([endless, CODE, FEW])
    for _ in range(2):
        found = finder.find("a" * 60 + "! def")
        assert (found.kind, [rule.name for rule in found.rules]) == ("code", ["code", "few"])
    (told,) = caplog.messages
    assert "router.rules: 'endless'" in told
    assert [rule.name for rule in finder.find("aaaa").rules] == ["few"]
