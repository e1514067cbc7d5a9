"""An input becomes tokens that fit, or is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_toys import BEGIN, END, Clock, ToyEmbedding

from edge_rt.backends.base import InfillMarks
from edge_rt.core.errors import RequestError
from edge_rt.core.images import ImageReference
from edge_rt.engine.scheduler.inputs import (
    CHARACTERS,
    fitting_pair,
    fitting_tokens,
    prompt_tokens,
)

TOY = ToyEmbedding(Clock())
LONG = "abcdefghijklmnopqrst"  # of which 14 fit


def test_what_fits_is_taken_as_it_is() -> None:
    assert fitting_tokens("abc", TOY, None, "input") == [BEGIN, *b"abc", END]
    assert fitting_tokens([7, 8], TOY, None, "input") == [7, 8]


@pytest.mark.parametrize(("side", "kept"), [("end", LONG[:14]), ("start", LONG[-14:])])
def test_cutting_leaves_the_control_tokens(side: str, kept: str) -> None:
    assert fitting_tokens(LONG, TOY, side, "input") == [BEGIN, *kept.encode(), END]


def test_of_a_question_and_a_text_only_the_text_is_cut() -> None:
    begin = [BEGIN, *b"why", END]
    assert fitting_pair("why", "so", TOY, None, "input[0]") == [*begin, *b"so", END]
    for side, kept in (("end", LONG[:10]), ("start", LONG[-10:])):
        found = fitting_pair("why", LONG, TOY, side, "input[0]")
        assert found == [*begin, *kept.encode(), END]
    with pytest.raises(RequestError, match=r"`input\[2\]`: 26 tokens with the question"):
        fitting_pair("why", LONG, TOY, None, "input[2]")
    with pytest.raises(RequestError, match=r"`input\[2\]`.*with the question"):
        fitting_pair("w" * 15, "so", TOY, "end", "input[2]")
    with pytest.raises(RequestError, match="`query`: 1025 characters"):
        fitting_pair("w" * 1025, "so", TOY, "end", "input[2]")


@pytest.mark.parametrize(("side", "kept"), [("end", range(16)), ("start", range(4, 20))])
def test_token_ids_are_cut_as_they_are(side: str, kept: range) -> None:
    assert fitting_tokens(list(range(20)), TOY, side, "input") == list(kept)


@pytest.mark.parametrize("given", [LONG, list(range(20)), "x" * (CHARACTERS * 16 + 1)])
def test_too_long_is_refused_by_name_with_a_way_out(given: str | list[int]) -> None:
    with pytest.raises(RequestError, match=r"`input\[3\]`.*takes 16.*`edge\.truncate`") as caught:
        fitting_tokens(given, TOY, None, "input[3]")
    assert (caught.value.param, caught.value.code) == ("input[3]", "context_length_exceeded")


@pytest.mark.parametrize("given", [[], [256], [-1]])
def test_what_are_no_tokens_of_the_model_is_refused(given: list[int]) -> None:
    with pytest.raises(RequestError) as caught:
        fitting_tokens(given, TOY, "end", "input")
    assert caught.value.param == "input"


@given(text=st.text("abc ", max_size=3000), side=st.sampled_from(["end", "start"]))
def test_what_may_be_cut_always_fits(text: str, side: str) -> None:
    tokens = fitting_tokens(text, TOY, side, "input")
    assert len(tokens) <= TOY.context
    assert (tokens[0], tokens[-1]) == (BEGIN, END)
    body = bytes(tokens[1:-1]).decode()
    assert text.startswith(body) if side == "end" else text.endswith(body)


def test_a_gap_stands_between_what_is_around_it(toy: Any) -> None:
    model = toy(context=30)
    model.infill = InfillMarks(30, 31, 32)
    ab, c = (model.tokenize(text, special=False)[1:] for text in ("ab", "c"))
    assert prompt_tokens("ab", True, model, "c") == [30, *ab, 31, *c, 32]
    assert prompt_tokens(ab, True, model, "c") == [30, *ab, 31, *c, 32]
    assert prompt_tokens("", True, model, "c") == [30, 31, *c, 32]
    with pytest.raises(RequestError, match="maximum context length"):
        prompt_tokens("ab", True, model, "c" * 29)


def test_a_model_that_fills_no_gaps_says_so(toy: Any) -> None:
    with pytest.raises(RequestError, match="`suffix`: this model was not made") as caught:
        prompt_tokens("ab", True, toy(), "c")
    assert (caught.value.param, caught.value.code) == ("suffix", "unsupported_parameter")


def test_images_stand_between_texts_and_never_last(toy: Any) -> None:
    model, image = toy(), ImageReference("0" * 64, 7, 9)
    model.image_tokens = lambda reference: [-reference.width, -reference.height]
    model.look = lambda seq, start, token, images: 2
    [*ab], [*c] = (model.tokenize(text, special=False) for text in ("ab", "c"))
    assert prompt_tokens(f"ab{image}c", True, model, images=[image]) == [*ab, -7, -9, *c[1:]]
    with pytest.raises(RequestError, match="ends with an image"):
        prompt_tokens(f"ab{image}", True, model, images=[image])
    with pytest.raises(RequestError, match="does not have"):
        prompt_tokens(f"ab{image}c", True, model, images=[])
