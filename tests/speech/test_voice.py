"""How a text is parted into what a voice says at once."""

from __future__ import annotations

import pytest

from edge_rt.speech.voice import in_sentences

Clauses = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("clauses", "sentences"),
    [
        ([("wʌn", ","), ("tu", "."), ("θɹi", "!")], ["wʌn, tu.", "θɹi!"]),
        ([("wʌn", ",")], ["wʌn, "]),
        ([("(en)wʌn(de)", "?")], ["wʌn?"]),
        ([], []),
    ],
)
def test_sentences_keep_their_marks(clauses: Clauses, sentences: list[str]) -> None:
    assert [*in_sentences(clauses)] == sentences


@pytest.mark.parametrize(
    "clauses",
    [
        [("əbˌaʊt", ",")] * 1000,
        [(" ".join(["əbˌaʊt"] * 1000), ".")],
        [("ɐ" * 5000, ";"), ("bi", ".")],
        [("ç" * 5000, ".")],  # of two signs each
    ],
)
def test_no_sentence_is_longer_than_a_voice_has_memory_for(clauses: Clauses) -> None:
    """A voice takes memory by the square of the length."""
    sentences = [*in_sentences(clauses)]
    assert max(map(len, sentences)) <= 402, "with a mark and a space"
    assert len(sentences) < 60


def test_a_long_one_is_parted_at_pauses_and_else_between_words() -> None:
    clause = " ".join(["əbˌaʊt"] * 30)
    assert [*in_sentences([(clause, ","), (clause, ",")])] == [f"{clause}, ", f"{clause}, "]
    words = [word for part in in_sentences([(f"{clause} {clause}", ".")]) for word in part.split()]
    assert words == [*["əbˌaʊt"] * 59, "əbˌaʊt."]
