"""What is asked of a checker on the way of an answer, and what is made of what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from letters import CALL, END, OTHER_END, PIECES, Letters

from edge_rt.core.decoding import Constraint, Sampling, Verdict
from edge_rt.core.errors import RequestError
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.rejection import DrawnCandidate
from edge_rt.decoding.sampler import Sampler
from edge_rt.decoding.text import UNFINISHED, TextCheck


class Said:
    """A checker that is a function, and notes what it was asked."""

    name = "said"

    def __init__(self, verdict: Callable[[str], Verdict]) -> None:
        self._verdict = verdict
        self.asked: list[str] = []

    def judge(self, text: str, following: Sequence[str], spent_s: float) -> list[Verdict]:
        texts = [text + one for one in following]
        self.asked += texts
        return [self._verdict(one) for one in texts]


def of(*texts: str) -> Callable[[str], Verdict]:
    """As of an answer that is one of `texts`."""

    def verdict(text: str) -> Verdict:
        begun = [one for one in texts if one.startswith(text.rstrip(UNFINISHED))]
        if UNFINISHED in text:
            return "viable" if any(one != text[:-1] for one in begun) else "dead"
        if text not in texts:
            return "viable" if begun else "dead"
        return "final" if begun == [text] else "complete"

    return verdict


def check(verdict: Callable[[str], Verdict]) -> tuple[TextCheck, Said]:
    letters, said = Letters(), Said(verdict)
    return TextCheck(said, letters.piece, letters.ends), said


def token(text: str) -> int:
    return PIECES.index(text.encode())


def first(check: TextCheck, *tokens: int) -> int:
    return check.find(iter([DrawnCandidate(one, 0.1, 0.5) for one in tokens]), greedy=True)


def test_what_leads_nowhere_is_refused() -> None:
    one, said = check(of("abc"))
    assert first(one, token("x"), CALL, token("ca"), token("ab"), token("a")) == token("ab")
    assert "" in said.asked
    one.take(token("ab"))
    assert not one.over
    assert first(one, token("a"), token("c")) == token("c")
    one.take(token("c"))
    assert one.over


def test_an_answer_may_end_where_its_text_is_complete() -> None:
    one, said = check(of("ab", "abc"))
    for end in (END, OTHER_END):
        assert first(one, end, token("ab")) == token("ab")
    one.take(token("ab"))
    asked = len(said.asked)
    assert first(one, END) == END
    assert len(said.asked) == asked  # it is known from before
    one.take(END)
    assert one.complete()


def test_a_text_of_which_nothing_was_said_is_judged_when_it_matters() -> None:
    one, said = check(of("ab", "abc"))
    one.take(token("ab"))  # by an earlier engine
    assert said.asked == []
    assert first(one, END) == END
    assert said.asked == ["ab"]


def test_a_character_in_two_tokens_is_unfinished_in_between() -> None:
    begin, end = PIECES.index(b"\xc3"), PIECES.index(b"\xa9")
    one, said = check(of("aé"))
    assert first(one, token("a")) == token("a")
    one.take(token("a"))
    assert first(one, end, END, begin) == begin  # no text has the end without its beginning
    assert said.asked[-1] == f"a{UNFINISHED}"
    one.take(begin)
    assert not one.complete()
    assert first(one, token("a"), END, end) == end
    one.take(end)
    assert one.over
    assert not any("\udcc3" in text for text in said.asked)


def test_who_refuses_characters_of_several_bytes_refuses_their_beginning() -> None:
    one, _ = check(lambda text: "viable" if text.isascii() else "dead")
    assert first(one, PIECES.index(b"\xc3"), token("a")) == token("a")


def test_an_answer_does_not_end_within_a_character() -> None:
    one, _ = check(lambda text: "final")
    assert first(one, PIECES.index(b"\xc3")) == PIECES.index(b"\xc3")
    one.take(PIECES.index(b"\xc3"))
    assert not one.over
    assert first(one, END, PIECES.index(b"\xa9")) == PIECES.index(b"\xa9")
    one.take(PIECES.index(b"\xa9"))
    assert one.over


def test_a_text_is_asked_about_once() -> None:
    one, said = check(of("abc"))
    first(one, token("x"), token("x"), token("a"))
    first(one, token("x"), token("a"))
    assert sorted(said.asked) == ["", "a", "x"]
    assert (one.cost.calls, one.cost.trips) == (3, 2)


def test_where_nothing_may_come_the_request_ends() -> None:
    one, _ = check(of("abc"))
    with pytest.raises(RequestError, match="of 4096 tokens that were tried none") as caught:
        first(one, token("x"), END)
    assert (caught.value.param, caught.value.code) == ("edge.check", "constraint_failed")


def test_a_fork_is_at_the_beginning() -> None:
    one, _ = check(of("abc"))
    one.take(token("ab"))
    assert first(one.fork(), token("c"), token("a")) == token("a")
    assert one.fork().cost.calls == 0


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_grammar_comes_first_and_leaves_less_to_ask(temperature: float) -> None:
    grammars = Grammars(Letters())
    wanted = {f"{a}{b}": "final" for a in "123" for b in "789" if int(a) + int(b) == 10}
    wanted |= dict.fromkeys("123", "viable") | {"": "viable"}

    def verdict(text: str) -> Verdict:
        return wanted.get(text, "dead")

    texts = set[str]()
    for seed in range(20):
        one, said = check(verdict)
        matcher = grammars.matcher(Constraint("regex", "[0-9]{2}"))
        sampler = Sampler(Sampling(temperature), seed=seed, matcher=matcher, check=one)
        logits, text = np.random.default_rng(seed).normal(0, 1, (2, len(PIECES))), b""
        for row in logits.astype(np.float32):
            text += PIECES[sampler.sample(row).token]
        assert sampler.over
        assert all(text.isdigit() or not text for text in said.asked)
        texts.add(text.decode())
    assert texts == {"19", "28", "37"}
    grammars.close()


def test_a_grammar_that_ends_where_the_check_does_not_is_an_error() -> None:
    grammars = Grammars(Letters())
    one, _ = check(lambda text: "viable")
    matcher = grammars.matcher(Constraint("regex", "[0-9]"))
    sampler = Sampler(Sampling(), seed=1, matcher=matcher, check=one)
    with pytest.raises(RequestError, match="the constraint ends the answer"):
        sampler.sample(np.zeros(len(PIECES), np.float32))
    grammars.close()


def test_the_weights_of_whole_answers_average_to_the_mass_of_all_acceptable_ones() -> None:
    pieces = [b"", b"", b"", b"a", b"b", b"c"]
    wanted = ["aab", "abc", "acb", "cba", "bbb"]
    rows = np.random.default_rng(4).normal(0, 1.5, (3, len(pieces))).astype(np.float32)
    shares = np.exp(rows.astype(np.float64))
    shares /= shares.sum(axis=1, keepdims=True)
    letters = Letters(pieces)
    mass = {
        text: float(np.prod([shares[at, pieces.index(c.encode())] for at, c in enumerate(text)]))
        for text in wanted
    }
    weights: dict[str, list[float]] = {text: [] for text in wanted}
    runs = 3000
    for seed in range(runs):
        one = TextCheck(Said(of(*wanted)), letters.piece, letters.ends)
        sampler, text, log_weight = Sampler(Sampling(), seed=seed, check=one), "", 0.0
        for row in rows:
            text += pieces[sampler.sample(row).token].decode()
            assert one.log_weight is not None
            log_weight += one.log_weight
        assert sampler.over
        weights[text].append(math.exp(log_weight))
    for text in wanted:  # each answer by itself, and so all together
        told = np.array(weights[text] + [0.0] * (runs - len(weights[text])))
        assert abs(told.mean() - mass[text]) < 4 * told.std() / math.sqrt(runs)
