"""What a question is about is kept, with the latest turns, within the room."""

from __future__ import annotations

import pytest

from edge_rt.generation.context.passages import LongChat
from edge_rt.generation.context.ranking import beside, keyword_scores
from edge_rt.generation.context.selection import select


def talk_of(*said: str) -> LongChat:
    roles = ("user", "assistant")
    return LongChat([{"role": roles[i % 2], "content": s} for i, s in enumerate(said)])


def test_rare_words_of_the_question_count_most():
    passages = ["the cat sat", "the dog ran", "the the the", "a heron sat by the pond"]
    scores = keyword_scores(passages, "Where did the heron sit?")
    assert max(scores) == scores[3]
    assert min(scores) == scores[3] or scores[3] > 2 * max(scores[:3])


def test_characters_are_words_where_spaces_part_none():
    scores = keyword_scores(["猫在屋顶上", "今天下雨"], "猫在哪里")
    assert scores[0] > scores[1] == 0.0


@pytest.mark.parametrize("passages", [[], ["", ""], ["a"]])
def test_there_may_be_nothing_to_compare(passages: list[str]):
    assert keyword_scores(passages, "") == [0.0] * len(passages)


def test_a_neighbour_counts_for_half():
    assert beside([0.0, 4.0, 0.0, 0.0]) == [2.0, 4.0, 2.0, 0.0]


def test_the_room_is_kept_and_the_best_pieces_fill_it():
    talk = talk_of(*(f"{'x' * 80} number {i}" for i in range(40)), "Which number is 6?")
    scores = [float(i == 3) for i in range(20)]
    kept = select(talk, scores, 1000)
    assert talk.passages[3] in kept
    assert talk.question[0] in kept
    assert sum(len(passage.text) + 24 for passage in kept) <= 1000


def test_the_latest_turn_stays_whatever_it_says():
    talk = talk_of(*["word " * 20] * 38, "I mean the red one.", "Well.", "Why?")
    kept = select(talk, [1.0] * 19 + [0.0], 2000)
    assert talk.passages[-1] in kept


def test_a_question_that_is_too_long_keeps_its_ends():
    talk = talk_of("\n\n".join("w" * 500 for _ in range(9)))
    assert select(talk, [1.0] * 7, 10) == {talk.question[0], talk.question[-1]}
