"""The tokens that may come next, held against all texts that a constraint allows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import CALL, END, OTHER_END, PIECES, Letters

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.constraints.matcher import Grammar, Matcher
from edge_rt.decoding.constraints.messages import Taken

CHOICES = st.lists(st.text("abcé", min_size=1, max_size=6), min_size=1, max_size=5, unique=True)


@pytest.fixture(scope="module")
def grammars() -> Iterator[Grammars]:
    made = Grammars(Letters())
    yield made
    made.close()


def choice(texts: Sequence[str]) -> Constraint:
    return Constraint("choice", json.dumps(list(texts)), param="edge.choice")


def allowed(matcher: Matcher) -> set[int]:
    return {token for token in range(len(PIECES)) if matcher.allows(token)}


def walk(matcher: Matcher, chance: random.Random) -> Iterator[bytes]:
    """The text before each token that is drawn, of all that may come; the whole text last."""
    text = b""
    while not matcher.over:
        yield text
        forced = matcher.forced()
        tokens = forced or [chance.choice(sorted(allowed(matcher)))]
        for token in tokens:
            matcher.take(token)
            text += PIECES[token]
    yield text


@given(texts=CHOICES, seed=st.integers(0, 99))
def test_what_may_come_is_what_some_text_goes_on_with(
    grammars: Grammars, texts: list[str], seed: int
) -> None:
    wanted = [text.encode() for text in texts]
    matcher = grammars.matcher(choice(texts))
    *before, whole = walk_checked(matcher, wanted, random.Random(seed))
    assert whole in wanted
    assert before[0] == b""


def walk_checked(
    matcher: Matcher, wanted: Sequence[bytes], chance: random.Random
) -> Iterator[bytes]:
    for text in walk(matcher, chance):
        if not matcher.over:
            forced = b"".join(PIECES[token] for token in matcher.forced())
            rest = [one[len(text) :] for one in wanted if one.startswith(text)]
            assert all(one.startswith(forced) for one in rest)
            if not forced:
                right = {
                    token
                    for token, piece in enumerate(PIECES)
                    if piece and any(one.startswith(piece) for one in rest)
                }
                assert allowed(matcher) - {END, OTHER_END} == right
                assert (END in allowed(matcher)) == (OTHER_END in allowed(matcher)) == (b"" in rest)
        yield text


@given(texts=CHOICES, seed=st.integers(0, 99))
def test_masks_that_were_prepared_are_those_that_would_be_computed(
    grammars: Grammars, texts: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    plain, ready = grammars.matcher(choice(texts)), grammars.matcher(choice(texts))
    while not plain.over:
        ahead = chance.choices(range(3, len(PIECES)), k=3)
        ready.prepare(draft := [*plain.forced(), *ahead][:4])
        assert ready.valid(draft) == plain.valid(draft)
        assert allowed(ready) == allowed(plain)
        token = (plain.forced() or sorted(allowed(plain)))[-1 if not plain.forced() else 0]
        for matcher in (plain, ready):
            matcher.take(token)
    assert ready.over


def test_a_guess_behind_other_tokens_changes_nothing(grammars: Grammars) -> None:
    matcher = grammars.matcher(choice(["abcabc", "abba"]))
    first = PIECES.index(b"ab")
    assert matcher.allows(PIECES.index(b"b"), after=[first])
    assert not matcher.allows(PIECES.index(b"b"))
    assert matcher.forced() == grammars.matcher(choice(["abcabc", "abba"])).forced()


def test_a_fork_begins_at_the_beginning(grammars: Grammars) -> None:
    matcher = grammars.matcher(choice(["ab", "b"]))
    matcher.take(PIECES.index(b"b"))
    assert matcher.over
    again = matcher.fork()
    assert not again.over
    assert PIECES.index(b"b") in allowed(again)


def test_a_token_that_is_forbidden_is_an_error_that_names_the_field(grammars: Grammars) -> None:
    matcher = grammars.matcher(choice(["ab", "b"]))
    with pytest.raises(RequestError, match=r"`edge\.choice`") as caught:
        matcher.take(PIECES.index(b"c"))
    assert caught.value.param == "edge.choice"


def test_logits_of_what_is_forbidden_are_minus_infinity(grammars: Grammars) -> None:
    matcher = grammars.matcher(Constraint("regex", "[ab]c*", param="edge.regex"))
    logits = np.arange(len(PIECES), dtype=np.float32)
    found = matcher.apply(logits)
    assert set(np.flatnonzero(np.isfinite(found))) == {PIECES.index(b"a"), PIECES.index(b"b")}
    assert found[PIECES.index(b"b")] == PIECES.index(b"b")
    assert np.array_equal(logits, np.arange(len(PIECES), dtype=np.float32))


def test_any_text_forbids_special_tokens_but_the_ends(grammars: Grammars) -> None:
    matcher = grammars.matcher(Constraint("regex", "(?s:.*)", param="edge.regex"))
    found = matcher.apply(np.zeros(len(PIECES), np.float32))
    assert set(np.flatnonzero(np.isneginf(found))) >= {CALL}
    assert np.isfinite(found[[END, OTHER_END, PIECES.index(b"ab")]]).all()


def test_the_time_to_compile_counts_once(grammars: Grammars) -> None:
    constraint = Constraint("regex", "a{3,5}b", param="edge.regex")
    first, later = grammars.matcher(constraint), grammars.matcher(constraint)
    assert first.compile_s > 0
    assert first.fork().compile_s > 0
    assert later.compile_s == first.fork().compile_s == 0


def test_a_special_token_that_a_grammar_names_is_part_of_the_text() -> None:
    for marks, expected in ((Letters().marks, [CALL]), ({END: b"<end>"}, None)):
        grammars = Grammars(Letters(marks=marks))
        matcher = grammars.matcher(Constraint("lark", 'start: "a" <call> "b"', param="tools"))
        text, tokens = b"", list[int]()
        while not matcher.over:
            token = (matcher.forced() or sorted(allowed(matcher)))[0]
            matcher.take(token)
            tokens.append(token)
            text += PIECES[token] or matcher.spelt.get(token, b"")
        assert text == b"a<call>b"
        assert (CALL in tokens) == (expected is not None)
        grammars.close()


def test_how_all_texts_begin_is_known_once_it_is_compiled() -> None:
    letters = Letters()
    grammars = Grammars(letters)
    matcher = grammars.matcher(Constraint("regex", "abcabc(a|b)"))
    asked = letters.asked
    assert asked > 0
    text = b"".join(PIECES[token] for token in matcher.forced())
    assert text
    assert b"abcabc".startswith(text)
    assert letters.asked == asked
    grammars.close()


class SlowProcess:
    """Takes `step_s` of the processor for each token."""

    def __init__(self, step_s: float) -> None:
        self._cpu_s, self._step_s = 0.0, step_s

    def used(self) -> tuple[float, float]:
        return self._cpu_s, 0.0

    def place(self, owner: object) -> int:
        return 1

    def ask(self, message: object) -> None: ...

    def wait(self, *asked: object) -> Taken:
        self._cpu_s += self._step_s
        return Taken(False, [])


def slow(step_s: float) -> Matcher:
    process: Any = SlowProcess(step_s)
    masks: Any = type("Masks", (), {"ends": frozenset()})
    return Matcher(Grammar(process, masks, "edge.regex", {}, [], lambda: None))


def test_an_answer_that_keeps_others_waiting_at_each_token_is_ended() -> None:
    matcher = slow(step_s=0.4)
    for _ in range(7):
        matcher.take(5)
    with pytest.raises(RequestError, match=r"`edge\.regex`.*more than 3 s") as caught:
        matcher.take(5)
    assert caught.value.code == "constraint_too_complex"


def test_an_answer_may_be_as_long_as_it_likes_where_its_steps_are_quick() -> None:
    matcher = slow(step_s=0.009)
    for _ in range(1000):
        matcher.take(5)
    assert not matcher.over
