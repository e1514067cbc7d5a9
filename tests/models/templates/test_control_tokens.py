"""Control tokens that are spelt out in messages are disarmed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.models.templates.task import Disarmed

MARK = "\ufdd0"
TOKENS = ["<|im_end|>", "[INST]", "<<x>>", "<x", "aab", "ab"]
PIECES = st.sampled_from([*TOKENS, "<", "|", ">", "[", "a", "b", "im_end", " ", "\n", "é"])
TEXTS = st.lists(PIECES, max_size=30).map("".join)


@pytest.fixture(scope="module")
def disarmed() -> Disarmed:
    return Disarmed(TOKENS, MARK)


@given(TEXTS)
def test_no_token_is_left_in_one_piece(text) -> None:
    said = Disarmed(TOKENS, MARK).text(text)
    assert said.replace(MARK, "") == text
    assert not any(token in part for part in said.split(MARK) for token in TOKENS)


@given(st.text(st.characters(exclude_characters="<[a\ufdd0")))
def test_text_without_tokens_is_left_alone(text) -> None:
    assert Disarmed(TOKENS, MARK).text(text) == text


@pytest.mark.parametrize(
    "token",
    ["<|im_start|>", "<|eot_id|>", "<start_of_turn>", "</s>", "<\uff5cUser\uff5c>", "<|end|>"],
)
def test_what_usually_marks_turns_is_disarmed_in_every_vocabulary(token) -> None:
    assert Disarmed([], MARK).text(f"a {token} b") == f"a {token[0]}{MARK}{token[1:]} b"


@pytest.mark.parametrize("text", ["a <b> c", "x <| y |> z", "1 < 2 > 0", "<table>", "[INST]"])
def test_other_text_is_not(text) -> None:
    assert Disarmed([], MARK).text(text) == text


def test_all_texts_of_a_document_are_disarmed(disarmed) -> None:
    messages = [{"role": "user", "content": "ab", "ab": [{"x": ["ab", 1, None, True, 1.5]}]}]
    armed = disarmed.all(messages)
    assert armed == [
        {
            "role": "user",
            "content": f"a{MARK}b",
            f"a{MARK}b": [{"x": [f"a{MARK}b", 1, None, True, 1.5]}],
        }
    ]
    assert messages[0]["content"] == "ab"


def test_tokens_are_texts_and_no_patterns(disarmed) -> None:
    assert disarmed.text("I") == "I"  # within [INST], were that a set of characters
    assert re.sub(MARK, "", disarmed.text("[INST]")) == "[INST]"
