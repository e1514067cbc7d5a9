"""How much a model thinks, by the fields of a chat."""

from __future__ import annotations

import pytest

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.core.requests import ThinkLimit

HYBRID = ChatFormat(GENERIC, ThinkFormat("<think>", "</think>", "enable_thinking"))
ALWAYS = ChatFormat(GENERIC, ThinkFormat("<think>", "</think>"))
OPEN, ASK = "<assistant><think>\n", "<assistant>"
EMPTY = "\n</think>\n\n"


@pytest.mark.parametrize(
    ("format", "rendered", "edge", "prompt"),
    [
        (HYBRID, ASK, None, ASK),
        (HYBRID, ASK, "on", ASK),
        (HYBRID, ASK, "off", ASK),  # the template did it
        (HYBRID, OPEN, "off", OPEN + EMPTY),
        (ALWAYS, OPEN, None, OPEN),
        (ALWAYS, OPEN, "off", OPEN + EMPTY),
        (ALWAYS, ASK, "off", f"{ASK}<think>\n{EMPTY}"),
        (ALWAYS, OPEN, {"tokens": 9}, OPEN),
        (ALWAYS, ASK, {"tokens": 9}, f"{ASK}<think>\n"),
        (ChatFormat(GENERIC), ASK, "off", ASK),
        (ChatFormat(GENERIC), ASK, {"tokens": 9}, ASK),
    ],
)
def test_the_prompt_begins_or_ends_the_thoughts(client, service, format, rendered, edge, prompt):
    service.format, service.prompt = format, rendered
    client.chat(edge={"think": edge})
    assert service.calls[0].prompt == prompt


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({}, None),
        ({"edge": {"think": "off"}}, {"enable_thinking": False}),
        ({"edge": {"think": "on"}}, {"enable_thinking": True}),
        ({"reasoning_effort": "none"}, {"enable_thinking": False}),
        ({"reasoning_effort": "high"}, {"enable_thinking": True, "reasoning_effort": "high"}),
        (
            {"edge": {"think": "off"}, "chat_template_kwargs": {"enable_thinking": True}},
            {"enable_thinking": True},
        ),
    ],
)
def test_the_template_is_told(client, service, fields, variables):
    service.format = HYBRID
    client.chat(**fields)
    assert service.rendered[0]["variables"] == variables


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"edge": {"think": {"tokens": 9}}}, ThinkLimit("</think>", 9)),
        ({"edge": {"think": {"energy_j": 2.5}}}, ThinkLimit("</think>", None, 2.5)),
        ({"reasoning_effort": "low"}, ThinkLimit("</think>", 512)),
        ({"reasoning_effort": "low", "edge": {"think": "on"}}, None),
        ({"reasoning_effort": "high"}, None),
        ({}, None),
    ],
)
def test_limits_go_with_the_call(client, service, fields, limit):
    service.format, service.prompt = ALWAYS, OPEN
    client.chat(**fields)
    assert service.calls[0].thinking == limit


def test_each_of_several_answers_has_its_own_limit(client, service):
    service.format, service.prompt = ALWAYS, OPEN
    response = client.chat(n=3, seed=5, edge={"think": {"tokens": 9}})
    assert len(response.json()["choices"]) == 3
    assert [(call.n, call.sampling.seed) for call in service.calls] == [(1, 5), (1, 6), (1, 7)]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"edge": {"think": "maybe"}}, "edge.think"),
        ({"edge": {"think": {"tokens": 0}}}, "edge.think.tokens"),
        ({"edge": {"think": {"words": 5}}}, "edge.think.words"),
    ],
)
def test_what_is_wrong_is_named(client, fields, param):
    response = client.chat(**fields)
    assert response.status == 400
    assert response.json()["error"]["param"] == param


def test_completions_have_no_thoughts(client):
    response = client.post("/v1/completions", {"prompt": "x", "edge": {"think": "off"}})
    assert response.json()["error"]["param"] == "edge.think"
