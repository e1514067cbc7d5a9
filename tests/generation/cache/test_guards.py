"""Guards keep questions apart that differ in what an answer hangs on, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.generation.cache.guards import apart, parts
from edge_rt.generation.cache.tables import doubt
from edge_rt.generation.cache.wording import wording

APART = [
    ("numbers", "What is 3 times 17?", "What is 3 times 18?"),
    ("numbers", "Name three rivers.", "Name four rivers."),
    ("numbers", "Convert 5 km to feet.", "Convert 5 miles to feet."),
    ("numbers", "Subtract 3 from 5.", "Subtract 5 from 3."),
    ("quoted", 'Translate "good morning".', 'Translate "good evening".'),
    ("code", "What does `ls -l` do?", "What does `ls -a` do?"),
    ("code", "Is x < y here?", "Is x > y here?"),
    ("names", "What is the capital of France?", "What is the capital of Germany?"),
    ("names", "Does Alice owe Bob money?", "Does Bob owe Alice money?"),
    ("names", "What is the capital?", "What is the capital of Peru?"),
    ("names", "Paris is lovely in spring.", "Berlin is lovely in spring."),
    ("names", "It is Hyre, and hyre is good.", "It is Wendi, and hyre is good."),
    ("names", "I need one like Bob's.", "I need one like Bob's in Rome."),
    ("numbers", "It goes on.1. Mix it.2. Eat.", "It goes on.1. Mix it.3. Eat."),
    ("names", "The report came from North Korea.", "The report came from South Korea."),
    ("negations", "Which birds can fly?", "Which birds cannot fly?"),
    ("negations", "a must-see place", "a must not-see place"),
    ("numbers", "a two-factor theory", "a three-factor theory"),
    ("negations", "It works on my machine.", "It doesn't work on my machine."),
    ("questions", "Who wrote it?", "When was it written?"),
    ("questions", "How many are there?", "How far are there?"),
    ("times", "are you open on monday?", "are you open on tuesday?"),
    ("quantities", "List all rivers.", "List some rivers."),
    ("opposites", "How do I increase the volume?", "How do I decrease the volume?"),
    ("opposites", "Is it before lunch?", "Is it after lunch?"),
    ("code", "What is 12 - 4?", "What is 12 / 4?"),
    ("code", "What is 12 - 4?", "What is 12 \u00d7 4?"),
    ("code", "What is 12-4?", "What is 12+4?"),
    ("code", "What is 12 \u00d7 4?", "What is 12 \u00f7 4?"),
    ("code", "What is x-y?", "What is x/y?"),
    ("numbers", "Is it cold at -40 C?", "Is it cold at 40 C?"),
    ("numbers", "Is it cold at \u221240 C?", "Is it cold at 40 C?"),
    ("code", "Can a price be -$5?", "Can a price be $5?"),
    ("times", "Is it warm there in May?", "Is it warm there in winter?"),
    ("times", "Is it warm there in May?", "Is it warm there?"),
    ("roles", "how many ounces in a cup?", "how many cups in an ounce?"),
    ("roles", "is java faster than python", "is python faster than java"),
    ("words", "how do i sort a list in python?", "how do i sort a list in ruby?"),
    ("words", "What rhymes with orange?", "What rhymes with silver?"),
    ("words", "how do i sort a list?", "how do i sort a list in python?"),
    ("words", "Summarize this text.", "Summarize this text briefly."),
    ("opposites", "Where does Mr. Hill live?", "Where does Mrs. Hill live?"),
    ("code", "What is price - 5?", "What is price + 5?"),
    ("names", "Williams will be late.", "William will be late."),
    ("quoted", 'They sang "so long".', 'They sang "good day".'),
    ("quoted", 'Say "we do not know why it fell".', "Say we don't know why it fell."),
    ("language", "Wie komme ich zum Bahnhof?", "Wie komme ich nicht zum Bahnhof?"),
    ("language", "Schalte das Licht ein.", "Schalte das Licht nicht ein."),
    ("language", "Comment aller à la gare ?", "Comment ne pas aller à la gare ?"),
    (
        "language",
        "\u041a\u0430\u043a \u043f\u0440\u043e\u0439\u0442\u0438?",
        "\u041a\u0430\u043a \u043d\u0435 \u043f\u0440\u043e\u0439\u0442\u0438?",
    ),
    ("tenses", "What was the capital of France?", "What is the capital of France?"),
    ("length", "Tell me about rice.", "Tell me about rice and how it is grown in wet fields."),
]
WORDS = ["what", "is", "not", "the", "Paris", "Rome", "3", "three", "km", "more", "less", "all"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@pytest.mark.parametrize(("guard", "one", "other"), APART)
def test_what_differs_in_one_thing_is_kept_apart(guard: str, one: str, other: str) -> None:
    assert apart(wording(one), wording(other)) == guard
    assert apart(wording(other), wording(one)) == guard


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Name three rivers.", "Please name 3 rivers."),
        ("What is the capital of France?", "What's France's capital?"),
        ("How can I get a new card?", "How do I get a new card?"),
        ("The FBI arrested him.", "The Federal Bureau of Investigation arrested him."),
        ("He doesn't know.", "He does not know."),
        ("It is the No. 2 bank.", "It is the second bank."),
        ("Yesterday it rained.", "It rained."),
        ('What does "foo" mean?', "What does foo mean?"),
        ("It rained in Rome on Friday, Mr. Smith said.", "It rained in Rome on Friday."),
        ("It is \u221240 here.", "It is -40.0 here."),
        ("What is 12 \u2212 4?", "What is 12 - 4?"),
        ("Is a well-known bank safe?", "Is a well known bank safe?"),
        ("Who leads the FBI?", "Who leads the Federal Bureau of Investigation?"),
        ("- Name rivers.", "Name rivers."),
        ("May I go?", "Can I go?"),
        ("Where is my brother's old bike?", "Where is my brother's old bike now?"),
        ("java was faster than python", "python was faster than java"),
        ("The cat - with all its skill - fell.", "The cat, with all its skill, fell."),
        ("Is it still raining?", "Is it raining now?"),
        ("Counties in Utah will shrink.", "In Utah a county will shrink."),
        ('"We do not know yet why it fell," he said.', "He said they do not know yet why it fell."),
        ("Name three rivers.", "Hello, I have a question. Name three rivers. Thanks in advance!"),
        ("Name three rivers.", "Could you answer this for me? Name three rivers."),
    ],
)
def test_the_same_in_other_words_is_not(one: str, other: str) -> None:
    assert apart(wording(one), wording(other)) is None


def test_texts_beyond_all_measure_are_kept_apart_at_once() -> None:
    one, other = (wording(" ".join(letter * 1000)) for letter in ("A", "B"))
    assert apart(one, one) == apart(one, other) == "length"


def test_names_of_many_words_take_few_initials() -> None:
    one = wording(" ".join("A" * 300))
    assert len(list(parts(one))) < 5 * 300
    assert apart(one, one) is None


WORDS += [
    "May",
    "-",
    "-3",
    "/",
    "some",
    "?",
    ".",
    "buy",
    "`x`",
    '"so"',
    "Monday",
    "US",
    "it's",
    "between",
    "United",
]


@given(TEXTS, TEXTS)
def test_it_does_not_matter_which_was_first(one: str, other: str) -> None:
    a, b = wording(one), wording(other)
    assert apart(a, b) == apart(b, a)
    assert apart(a, a) is None
    assert doubt(0.9, a, b) == pytest.approx(doubt(0.9, b, a))


def test_doubt_grows_with_distance_and_with_words_that_are_not_shared() -> None:
    base = wording("How do I replace the broken screen of my phone?")
    near = wording("How can I replace the broken screen of my phone?")
    far = wording("How do I sell the old case of my phone?")
    assert doubt(0.95, base, near) < doubt(0.85, base, near)
    assert doubt(0.9, base, near) < doubt(0.9, base, far)
    assert 0 < doubt(1.0, base, base) < 0.05
