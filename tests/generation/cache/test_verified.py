"""Which answers may be given is learnt from comparisons, and few enough of them are wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.generation.cache.verified import HALF, Verifier, doubt, figures, words

WRONG = 0.02
KEY = b"key"


def compare(verifier: Verifier, one: str, other: str, same: bool, key: bytes = KEY) -> None:
    found = figures(0.95, one, other, key)
    verifier.learn(found, verifier.lower(found), same)


def passes(verifier: Verifier, one: str, other: str, key: bytes = KEY) -> bool:
    return verifier.passes(verifier.lower(figures(0.95, one, other, key)))


def test_without_comparisons_nothing_passes() -> None:
    verifier = Verifier(WRONG)
    assert not passes(verifier, "Name three rivers.", "Name three rivers.")
    assert not verifier.passes(1e9)


def test_a_few_comparisons_are_too_few_for_the_bound() -> None:
    verifier = Verifier(WRONG)
    for number in range(24):  # 1 / (24 + 1) = WRONG / HALF
        assert not passes(verifier, f"name {number}", f"please name {number}"), number
        compare(verifier, f"name {number}", f"please name {number}", True)
    assert verifier.threshold is not None


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (("{}", "please {}"), ("{}", "do not {}")),
        (("{}", "bitte {}"), ("{}", "{} nicht")),
        (("{}", "{} por favor"), ("{}", "no {}")),
        (("drei {}", "3 {}"), ("drei {}", "vier {}")),
        (
            ("{}\u3092\u6559\u3048\u3066", "{}\u3092\u6559\u3048\u3066\u4e0b\u3055\u3044"),
            ("{}\u306f\u4f55", "{}\u3067\u306f\u306a\u3044\u4f55"),
        ),
    ],
)
def test_what_words_change_is_learnt_in_any_language(
    same: tuple[str, str], other: tuple[str, str]
) -> None:
    def filled(forms: tuple[str, str], thing: str) -> tuple[str, str]:
        return forms[0].format(thing), forms[1].format(thing)

    verifier = Verifier(WRONG)
    for number in range(150):
        for forms, alike in ((same, True), (other, False)):
            one, two = filled(forms, f"thing{number}")
            compare(verifier, one, two, alike, str(number).encode())
    one, two = filled(same, "new")
    assert passes(verifier, one, two)
    one, two = filled(other, "new")
    assert not passes(verifier, one, two)


def test_the_order_of_the_same_words_is_learnt() -> None:
    verifier = Verifier(WRONG)
    for number in range(150):
        compare(verifier, f"a{number} to b{number}", f"b{number} to a{number}", False)
        compare(verifier, f"a{number} to b{number}", f"a{number}  to B{number}", True)
    assert passes(verifier, "rome to bern", "Rome to Bern")
    assert not passes(verifier, "rome to bern", "bern to rome")


def test_each_kept_answer_has_its_own_threshold() -> None:
    verifier = Verifier(WRONG)
    for number in range(150):
        compare(verifier, f"name {number}", f"please name {number}", True, str(number).encode())
        compare(verifier, f"name {number}", f"name not {number}", False, str(number).encode())
    mine, others = (figures(0.95, "name x", "please name x", key) for key in (b"mine", b"other"))
    assert verifier.lower(mine) == verifier.lower(others)
    for _ in range(3):
        verifier.learn(mine, verifier.lower(mine), False)
    assert verifier.lower(mine) < verifier.lower(others)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.005, 0.1), st.floats(0.0, 0.5))
def test_the_bound_holds_of_all_that_pass(seed: int, wrong: float, noise: float) -> None:
    drawn, verifier, judged = random.Random(seed), Verifier(wrong), list[tuple[float, bool]]()
    for number in range(300):
        word = drawn.choice(("please", "not", "two", "kindly"))
        same = (word in ("please", "kindly")) != (drawn.random() < noise)
        found = figures(drawn.uniform(0.8, 1), f"name {number}", f"{word} name {number}", KEY)
        judged.append((verifier.lower(found), same))
        verifier.learn(found, judged[-1][0], same)
    if verifier.threshold is not None:
        above = [same for lower, same in judged if lower >= verifier.threshold]
        assert (above.count(False) + 1) / (len(above) + 1) <= wrong / HALF


def test_where_most_requests_are_hits_each_must_be_surer() -> None:
    rare, often = Verifier(WRONG), Verifier(WRONG)
    for verifier, hit in ((rare, False), (often, True)):
        verifier.count(hit)
        for number in range(30):
            compare(verifier, f"name {number}", f"please name {number}", True)
    assert rare.threshold is not None
    assert often.threshold is None  # 1 / (30 + 1) > WRONG


def test_the_doubt_falls_as_the_odds_rise() -> None:
    assert doubt(-100.0) > doubt(0.0) == 0.5 > doubt(3.0) > doubt(100.0) > 0


def test_scripts_without_spaces_go_by_characters() -> None:
    assert words("L\u2019eau, 3 L\u00f6ffel?") == ["l'eau", "3", "l\u00f6ffel"]
    assert words("\u6771\u4eac2024") == ["\u6771", "\u4eac", "2024"]
