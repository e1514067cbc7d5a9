"""A conversation loses passages, and stays one that templates can read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.generation.context.passages import GAP, PIECE, LongChat, divide


def said(role: str, content: str, **more: object) -> dict:
    return {"role": role, "content": content, **more}


SYSTEM = said("system", "Be brief.")
TALK = [
    SYSTEM,
    said("user", "My cat is called Ada."),
    said("assistant", "Nice."),
    said("user", "What is the weather?"),
    said("assistant", "", tool_calls=[{"function": {"name": "weather", "arguments": {}}}]),
    said("tool", "rain"),
    said("assistant", "It rains."),
    said("user", "What is my cat called?"),
]


def test_turns_begin_with_what_the_user_says():
    talk = LongChat(TALK)
    assert [(passage.turn, passage.message) for passage in talk.passages] == [(0, None), (1, None)]
    assert [passage.text for passage in talk.question] == ["What is my cat called?"]


def test_with_all_pieces_nothing_is_changed():
    talk = LongChat(TALK)
    assert talk.with_only([*talk.passages, *talk.question]) == TALK
    assert talk.left_out({*talk.passages, *talk.question}) == []


def test_calls_of_tools_go_with_their_results():
    talk = LongChat(TALK)
    kept = [talk.passages[0], *talk.question]
    assert talk.with_only(kept) == [*TALK[:3], TALK[-1]]
    assert talk.left_out(set(kept)) == [3, 4, 5, 6]


def test_a_long_message_loses_parts_and_says_where():
    passages = [f"Passage {i}. " + "word " * 60 for i in range(5)]
    talk = LongChat([said("user", "\n\n".join([*passages, "Which is right?"]))])
    assert [passage.text[:9] for passage in talk.question][1:] == [
        *(f"Passage {i}" for i in range(1, 5)),
        "Which is ",
    ]
    [message] = talk.with_only([talk.question[1], talk.question[-1]])
    parts = message["content"].split("\n")
    assert parts[0] == GAP
    assert parts[1].startswith("Passage 1.")
    assert parts[2] == GAP
    assert message["content"].endswith("Which is right?")
    assert talk.left_out({talk.question[1], talk.question[-1]}) == [0]


def test_a_long_answer_is_divided_and_its_question_marked():
    long = "\n\n".join("so " * 150 for _ in range(3))
    talk = LongChat([said("user", "Why?"), said("assistant", long), said("user", "And?")])
    middle = talk.passages[2]
    first, second, _ = talk.with_only([middle, *talk.question])
    assert first["content"] == GAP
    assert second["content"] == f"{GAP}\n{middle.text}\n{GAP}"


def test_what_follows_the_question_stays():
    talk = LongChat([*TALK, said("assistant", "Your cat")])
    assert talk.with_only(talk.question) == [SYSTEM, TALK[-1], said("assistant", "Your cat")]
    assert talk.fixed == len("Be brief." + "Your cat")


def test_a_chat_without_a_user_is_one_turn():
    talk = LongChat([said("assistant", "Once upon a time")])
    assert talk.passages == []
    assert [passage.text for passage in talk.question] == ["Once upon a time"]


@given(st.text(alphabet="ab.\n ", max_size=4000))
def test_parts_are_short_and_nothing_but_space_is_lost(text: str):
    parts = divide(text)
    assert all(len(part) <= PIECE for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
