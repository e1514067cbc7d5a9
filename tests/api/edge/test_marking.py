"""Who marks an answer, by words or by asking again, teaches the router, within bounds."""

from __future__ import annotations

import pytest

from edge_rt.api.edge.marking import AGAIN_S, AGAIN_WEIGHT, BURST, KEPT, PER_HOUR, Counted, Marking
from edge_rt.core.errors import RequestError

ANN, BOB = "uid:1000", "uid:1001"


class Stage:
    """Marks, and what the router hears of them."""

    def __init__(self) -> None:
        self.now_s, self.heard, self.chosen = 100.0, list[tuple[str, float, float]](), True
        self.marking = Marking(self.mark, lambda: self.now_s)

    def mark(self, id: str, mark: float, weight: float) -> bool:
        self.heard.append((id, mark, weight))
        return self.chosen

    def answer(
        self,
        id: str,
        client: str | None = ANN,
        prompt: str = "Hi",
        ends: bool = True,
        fixed: object = None,
    ) -> None:
        self.marking.keep(id, self.marking.begin(client, fixed, prompt))
        if ends:
            self.marking.ended(id)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_mark_is_passed_on(stage: Stage) -> None:
    stage.answer("a")
    marked = stage.marking.give("a", ANN, 0.7)
    assert (marked.id, marked.mark, marked.counted, marked.why) == ("a", 0.7, True, None)
    assert stage.heard == [("a", 0.7, 1.0)]
    assert stage.marking.counts == {Counted(True, "feedback", True): 1}


@pytest.mark.parametrize("client", [BOB, None])
def test_nobody_marks_anothers_answer(stage: Stage, client: str | None) -> None:
    stage.answer("a")
    for id in ("a", "b"):
        with pytest.raises(RequestError, match="to mark") as caught:
            stage.marking.give(id, client, 1.0)
        assert (caught.value.param, caught.value.code) == ("id", "answer_not_found")
    assert stage.heard == []


def test_an_answer_is_marked_once(stage: Stage) -> None:
    stage.answer("a")
    assert stage.marking.give("a", ANN, 1.0).counted
    again = stage.marking.give("a", ANN, 0.0)
    assert not again.counted
    assert "before" in (again.why or "")
    assert len(stage.heard) == 1


def test_an_answer_is_kept_under_a_key_until_it_is_marked(stage: Stage) -> None:
    asked = stage.marking.begin(ANN, None, "Hi")
    asked.key = b"key"
    stage.marking.keep("a", asked)
    assert stage.marking.kept_as("a", ANN) == b"key"
    assert stage.marking.kept_as("a", BOB) is None
    assert stage.marking.kept_as("b", ANN) is None
    stage.marking.give("a", ANN, 0.0)
    assert stage.marking.kept_as("a", ANN) is None


def test_an_answer_of_an_unknown_model_is_not_marked(stage: Stage) -> None:
    stage.answer("a")
    stage.chosen = False
    marked = stage.marking.give("a", ANN, 0.0)
    assert "not known which model" in (marked.why or "")
    assert stage.marking.counts == {Counted(False, "feedback", False): 1}


def test_one_client_cannot_mark_all_it_likes(stage: Stage) -> None:
    given = round(BURST) + 20
    for number in range(given):
        stage.answer(f"a-{number}", prompt=f"{number}")
        stage.marking.give(f"a-{number}", ANN, 0.0)
    assert len(stage.heard) == BURST
    stage.answer("b", BOB)
    assert stage.marking.give("b", BOB, 1.0).counted
    stage.now_s += 3600.0
    for number in range(given):
        stage.answer(f"c-{number}", prompt=f"{number}!")
        stage.marking.give(f"c-{number}", ANN, 0.0)
    assert len(stage.heard) == BURST + 1 + PER_HOUR


# --- asking again


def test_asking_the_same_again_soon_is_half_a_bad_mark(stage: Stage) -> None:
    stage.answer("a", fixed=1)
    stage.now_s += AGAIN_S
    stage.answer("b", fixed=2)
    assert stage.heard == [("a", 0.0, AGAIN_WEIGHT)]
    assert stage.marking.counts == {Counted(False, "regeneration", True): 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"prompt": "Hello"}),
        ({}, {"client": BOB}),
        ({"client": None}, {"client": None}),
        ({"ends": False}, {}),
        ({"fixed": "greedy"}, {"fixed": "greedy"}),  # which gives the very same
        ({"fixed": 7}, {"fixed": 7}),
    ],
)
def test_what_is_no_regeneration(stage: Stage, first: dict, second: dict) -> None:
    stage.answer("a", **first)
    stage.answer("b", **second)
    assert stage.heard == []


def test_much_later_it_is_none(stage: Stage) -> None:
    stage.answer("a")
    stage.now_s += AGAIN_S + 1.0
    stage.answer("b")
    assert stage.heard == []


def test_a_program_that_asks_the_same_all_the_time_marks_but_once(stage: Stage) -> None:
    for number in range(20):
        stage.answer(f"a-{number}")
        stage.now_s += 1.0
    assert stage.heard == [("a-0", 0.0, AGAIN_WEIGHT)]


def test_what_was_marked_is_not_marked_by_asking_again(stage: Stage) -> None:
    stage.answer("a")
    stage.marking.give("a", ANN, 1.0)
    stage.answer("b")
    assert stage.heard == [("a", 1.0, 1.0)]


def test_prompts_are_kept_as_hashes_and_so_many(stage: Stage) -> None:
    for number in range(KEPT + 5):
        stage.answer(f"a-{number}", prompt=f"secret {number}")
    marking = stage.marking
    assert len(marking._answers) == len(marking._latest) == KEPT
    assert "secret" not in repr(marking._answers)
    other = Stage()
    prompts = [one.begin(ANN, None, "Hi").prompt for one in (other.marking, marking)]
    assert prompts[0] != prompts[1]
    with pytest.raises(RequestError):
        marking.give("a-4", ANN, 1.0)
    assert marking.give("a-5", ANN, 1.0).counted


def test_a_prompt_that_cannot_be_hashed_is_like_no_other(stage: Stage) -> None:
    stage.answer("a", prompt="\ud800")
    stage.answer("b", prompt="\ud800")
    assert stage.heard == []
    assert stage.marking.give("a", ANN, 1.0).counted
