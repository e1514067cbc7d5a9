"""A client marks its own answers, each once."""

from __future__ import annotations

import pytest

from edge_rt.api.edge.marking import KEPT, Marking
from edge_rt.core.errors import RequestError

ANN, BOB = "uid:1000", "uid:1001"


@pytest.fixture
def marking() -> Marking:
    return Marking()


def test_a_mark_counts(marking: Marking) -> None:
    marking.keep("a", ANN, None)
    marked = marking.give("a", ANN, 0.7)
    assert (marked.id, marked.mark, marked.counted, marked.why) == ("a", 0.7, True, None)
    assert marking.counts == {True: 1}


@pytest.mark.parametrize("client", [BOB, None])
def test_nobody_marks_anothers_answer(marking: Marking, client: str | None) -> None:
    marking.keep("a", ANN, None)
    for id in ("a", "b"):
        with pytest.raises(RequestError, match="to mark") as caught:
            marking.give(id, client, 1.0)
        assert (caught.value.param, caught.value.code) == ("id", "answer_not_found")


def test_an_answer_is_marked_once(marking: Marking) -> None:
    marking.keep("a", ANN, None)
    assert marking.give("a", ANN, 1.0).counted
    again = marking.give("a", ANN, 0.0)
    assert not again.counted
    assert "before" in (again.why or "")
    assert marking.counts == {True: 1}


def test_an_answer_is_kept_under_a_key_until_it_is_marked(marking: Marking) -> None:
    marking.keep("a", ANN, b"key")
    assert marking.kept_as("a", ANN) == b"key"
    assert marking.kept_as("a", BOB) is None
    assert marking.kept_as("b", ANN) is None
    marking.give("a", ANN, 0.0)
    assert marking.kept_as("a", ANN) is None


def test_so_many_answers_can_be_marked(marking: Marking) -> None:
    for number in range(KEPT + 5):
        marking.keep(f"a-{number}", ANN, None)
    with pytest.raises(RequestError):
        marking.give("a-4", ANN, 1.0)
    assert marking.give("a-5", ANN, 1.0).counted
