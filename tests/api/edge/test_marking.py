"""A client marks its own answers, each once."""

from __future__ import annotations

import pytest

from edge_rt.api.edge.marking import KEPT, Counted, Marking
from edge_rt.core.errors import RequestError

ANN, BOB = "uid:1000", "uid:1001"


class Stage:
    """Marks, and what is kept of them."""

    def __init__(self) -> None:
        self.heard, self.known = list[tuple[str, float]](), True
        self.marking = Marking(self.mark)

    def mark(self, id: str, mark: float) -> bool:
        self.heard.append((id, mark))
        return self.known


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_mark_is_passed_on(stage: Stage) -> None:
    stage.marking.keep("a", ANN, None)
    marked = stage.marking.give("a", ANN, 0.7)
    assert (marked.id, marked.mark, marked.counted, marked.why) == ("a", 0.7, True, None)
    assert stage.heard == [("a", 0.7)]
    assert stage.marking.counts == {Counted(True, True): 1}


@pytest.mark.parametrize("client", [BOB, None])
def test_nobody_marks_anothers_answer(stage: Stage, client: str | None) -> None:
    stage.marking.keep("a", ANN, None)
    for id in ("a", "b"):
        with pytest.raises(RequestError, match="to mark") as caught:
            stage.marking.give(id, client, 1.0)
        assert (caught.value.param, caught.value.code) == ("id", "answer_not_found")
    assert stage.heard == []


def test_an_answer_is_marked_once(stage: Stage) -> None:
    stage.marking.keep("a", ANN, None)
    assert stage.marking.give("a", ANN, 1.0).counted
    again = stage.marking.give("a", ANN, 0.0)
    assert not again.counted
    assert "before" in (again.why or "")
    assert len(stage.heard) == 1


def test_an_answer_is_kept_under_a_key_until_it_is_marked(stage: Stage) -> None:
    stage.marking.keep("a", ANN, b"key")
    assert stage.marking.kept_as("a", ANN) == b"key"
    assert stage.marking.kept_as("a", BOB) is None
    assert stage.marking.kept_as("b", ANN) is None
    stage.marking.give("a", ANN, 0.0)
    assert stage.marking.kept_as("a", ANN) is None


def test_an_answer_of_an_unknown_model_is_not_marked(stage: Stage) -> None:
    stage.marking.keep("a", ANN, None)
    stage.known = False
    marked = stage.marking.give("a", ANN, 0.0)
    assert "not known which model" in (marked.why or "")
    assert stage.marking.counts == {Counted(False, False): 1}


def test_so_many_answers_can_be_marked(stage: Stage) -> None:
    for number in range(KEPT + 5):
        stage.marking.keep(f"a-{number}", ANN, None)
    with pytest.raises(RequestError):
        stage.marking.give("a-4", ANN, 1.0)
    assert stage.marking.give("a-5", ANN, 1.0).counted
