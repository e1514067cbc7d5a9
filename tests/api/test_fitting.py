"""A request whose answer is to fit its limits tells the model so, and each call its tokens."""

from __future__ import annotations

import llguidance
import pytest
from msgspec.structs import replace

from edge_rt.api.allowance import FinalTerms, Terms
from edge_rt.api.openai.constraint import constraint_of
from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.core.decoding import Constraint
from edge_rt.core.requests import FitLimit

FINAL = {"before": "#### ", "regex": "[0-9/]+"}


def said(service) -> str:
    return service.wishes[-1].prompt.messages[-1]["content"]


def test_the_model_is_told_how_long_its_answer_may_be(client, service):
    service.tokens = 50
    client.chat(edge={"energy_j": 6, "latency_s": 3, "fit": True}, n=2)
    assert service.limits == [("smol", 3.0, 3.0)]  # joules of each answer
    assert said(service).endswith("\n\nAnswer in at most 30 words.")
    fit = FitLimit(50, opening="In short: ")
    assert [(call.fit, call.n) for call in service.calls] == [(fit, 1)] * 2


@pytest.mark.parametrize(
    "more",
    [
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"continue_final_message": True, "messages": [{"role": "assistant", "content": "So"}]},
    ],
)
def test_an_answer_that_has_a_form_or_a_beginning_gets_no_opening(client, service, more):
    service.tokens = 50
    client.chat(edge={"energy_j": 6, "fit": True}, **more)
    assert [call.fit for call in service.calls] == [FitLimit(50)]


def test_nor_is_it_told_where_the_request_forbids_that(client, service):
    client.chat(edge={"fit": "untold"}, max_tokens=40)
    assert said(service) == "Hi"
    assert [call.fit for call in service.calls] == [FitLimit(40)]


def test_a_model_is_not_told_of_more_room_than_it_needs(client, service):
    client.chat(edge={"fit": True}, max_tokens=1000)
    assert said(service) == "Hi"
    assert [call.fit for call in service.calls] == [FitLimit(1000)]


def test_a_text_is_not_added_to(client, service):
    service.tokens = 50
    client.complete(prompt="Once", edge={"latency_s": 3, "fit": True}, max_tokens=20)
    assert [(call.fit, call.prompt) for call in service.calls] == [(FitLimit(20), "Once")]


@pytest.mark.parametrize("edge", [{"energy_j": 6}, {"fit": True}, {"energy_j": 6, "fit": False}])
def test_nothing_is_fitted_that_has_no_limit_or_did_not_ask(client, service, edge):
    service.tokens = 50
    client.chat(edge=edge)
    assert (service.limits, len(service.wishes)) == ([], 1)
    assert service.calls[0].fit is None


def test_what_cannot_be_predicted_is_answered_as_usual(client, service):
    client.chat(edge={"energy_j": 6, "fit": True})
    assert (service.calls[0].fit, len(service.wishes)) == (None, 1)


def test_the_final_answer_ends_it_and_has_the_last_tokens(client, service):
    service.tokens = 50
    client.chat(edge={"energy_j": 6, "fit": True, "final": FINAL})
    (call,) = service.calls
    number = Constraint("regex", "[0-9/]+", param="edge.final")
    assert call.fit == FitLimit(50, number, "#### ", "In short: ")
    assert call.constraint.kind == "lark"
    assert 'suffix="#### "' in call.constraint.text
    assert r"FINAL: /[0-9\/]+/" in call.constraint.text


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("6 of 7\n### so #### 1/2", True),
        ("#### 12", True),
        ("", False),
        ("twelve", False),
        ("#### ", False),
        ("#### 12 of them", False),
        ("a #### b", False),
        ("#### 12.", False),
    ],
)
def test_an_answer_is_complete_with_its_final_one_and_not_before(text, whole):
    made = constraint_of(None, None, None, Terms(final=FinalTerms("#### ", r"[0-9]+(\/|/)?[0-9]*")))
    matcher = llguidance.LLMatcher(llguidance.LLTokenizer("byte"), made.text, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    taken = matcher.try_consume_tokens(list(text.encode()))
    assert (taken == len(text) and matcher.is_accepting()) is whole


def test_it_cannot_go_with_another_form_of_the_answer(client, service):
    response = client.chat(edge={"final": FINAL}, response_format={"type": "json_object"})
    assert (response.status, response.json()["error"]["param"]) == (400, "edge.final")


@pytest.mark.parametrize(("think", "tokens"), [(None, 25), ({"tokens": 10}, 10), ("on", 25)])
def test_thoughts_have_half_of_the_tokens(client, service, think, tokens):
    service.tokens = 50
    service.format = ChatFormat(GENERIC, ThinkFormat("<think>", "</think>"))
    client.chat(edge={"energy_j": 6, "fit": True, "think": think})
    (call,) = service.calls
    assert (call.thinking.tokens, call.fit) == (tokens, FitLimit(50))
    assert call.thinking.closing
    client.chat(edge={"energy_j": 6, "fit": True, "think": "off"})
    assert service.calls[-1].thinking is None


def test_how_each_answer_ended_is_told_and_else_nothing(client, service):
    hello = service.script
    assert "ended" not in client.chat().json()["edge"]
    service.script = lambda call: [
        *hello(call)[:-1],
        replace(hello(call)[-1], ended="sentence"),
    ]
    assert client.chat().json()["edge"]["ended"] == ["sentence"]
