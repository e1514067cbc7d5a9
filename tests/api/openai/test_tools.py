"""Tools of a chat: what the model is told, and its calls as clients get them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from edge_rt.core.chat_format import GENERIC, CallFormat, ChatFormat, ThinkFormat
from edge_rt.core.decoding import TokenLogprob

WEATHER = {"name": "get_weather", "parameters": {"properties": {"city": {"type": "string"}}}}
TIME = {"name": "get_time"}
TOOLS = [{"type": "function", "function": one} for one in (WEATHER, TIME)]
PARIS = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
NOW = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'
THINKS = ChatFormat(GENERIC, ThinkFormat("<think>", "</think>"))
FENCED = '```json\n{"name": "get_time", "arguments": {}}\n```'
HARMONY = ChatFormat(
    CallFormat(style="named", before=" to=functions.", between="<|message|>", after=""),
    ThinkFormat("<|channel|>analysis<|message|>", "<|end|>", None, "<|start|>assistant"),
    ("<|channel|>", "<|end|>", "<|message|>", "<|start|>"),
    channels=True,
)
ANALYSIS = "<|channel|>analysis<|message|>The user greets.<|end|><|start|>assistant"


def says(script: Any, *texts: str, reason: str = "stop") -> Any:
    """A script in which every answer is these texts."""

    def play(call: Any) -> list:
        deltas = [script.delta(text, index) for index in range(call.n) for text in texts]
        *firsts, last = (script.finished(index, reason) for index in range(call.n))
        return [script.started(), *deltas, *firsts, script.cost(), last]

    return play


def streamed(response: Any) -> list[dict]:
    *chunks, done = response.events()
    assert done == "[DONE]"
    return [choice for chunk in chunks for choice in chunk["choices"]]


def test_a_call_is_a_document_of_its_own(client, service, script):
    service.script = says(script, "Let me see.\n", PARIS)
    document = client.chat(tools=TOOLS).json()
    (choice,) = document["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert len(call["id"]) == 9
    assert call["id"].isalnum()
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    assert document["edge"]["tools"] == "generic"


def test_an_answer_that_is_a_call_has_no_content(client, service, script):
    service.script = says(script, PARIS)
    message = client.chat(tools=TOOLS).json()["choices"][0]["message"]
    assert message["content"] is None
    assert "reasoning_content" not in message


def test_an_answer_without_a_call_is_as_ever(client):
    (choice,) = client.chat(tools=TOOLS).json()["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {"role": "assistant", "content": "Hello world", "refusal": None}


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_streamed_calls_come_one_a_chunk_and_the_end_alone(client, service, script, size):
    text = f"Wait. {PARIS}\n{NOW}"
    service.script = says(script, *(text[i : i + size] for i in range(0, len(text), size)))
    choices = streamed(client.chat(tools=TOOLS, stream=True))
    calls = [choice["delta"]["tool_calls"] for choice in choices if "tool_calls" in choice["delta"]]
    assert [[call["index"] for call in one] for one in calls] == [[0], [1]]
    assert [one[0]["function"]["name"] for one in calls] == ["get_weather", "get_time"]
    assert all({"id", "type", "function"} <= set(one[0]) for one in calls)
    assert len({one[0]["id"] for one in calls}) == 2
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "Wait."
    assert (choices[-1]["delta"], choices[-1]["finish_reason"]) == ({}, "tool_calls")
    assert all(choice["finish_reason"] is None for choice in choices[:-1])


@pytest.mark.parametrize(
    ("text", "reason", "content"), [("a <tool", "stop", "a <tool"), (PARIS[:40], "length", "")]
)
def test_what_is_held_back_comes_at_the_end_with_its_logprobs(
    client, service, script, text, reason, content
):
    """What begins like a call is told when it turns out to be none; tokens of half a call are."""
    tokens = [text[i : i + 2] for i in range(0, len(text), 2)]

    def play(_: Any) -> list:
        deltas = [
            script.delta(token, logprobs=[TokenLogprob(token.encode(), -0.5)]) for token in tokens
        ]
        return [script.started(), *deltas, script.cost(), script.finished(reason=reason)]

    service.script = play
    choices = streamed(client.chat(tools=TOOLS, stream=True, logprobs=True))
    assert "".join(choice["delta"].get("content", "") for choice in choices) == content
    told = [each for choice in choices for each in (choice["logprobs"] or {}).get("content", ())]
    assert [each["token"] for each in told] == tokens
    assert choices[-1]["finish_reason"] == reason


def test_streamed_and_whole_answers_have_the_same_calls(client, service, script):
    service.script = says(script, PARIS, NOW)
    whole = client.chat(tools=TOOLS).json()["choices"][0]["message"]["tool_calls"]
    parts = streamed(client.chat(tools=TOOLS, stream=True))
    found = [one for part in parts for one in part["delta"].get("tool_calls", ())]
    assert [{**one, "index": None} for one in found] == [{**one, "index": None} for one in whole]


def test_each_of_several_answers_has_its_own_calls(client, service, script):
    service.script = says(script, PARIS)
    choices = client.chat(tools=TOOLS, n=2).json()["choices"]
    ids = [choice["message"]["tool_calls"][0]["id"] for choice in choices]
    assert len({*ids}) == 2


def test_a_call_that_the_limit_cuts_off_is_no_call(client, service, script):
    service.script = says(script, PARIS[:40], reason="length")
    (choice,) = client.chat(tools=TOOLS).json()["choices"]
    assert choice["finish_reason"] == "length"
    assert "tool_calls" not in choice["message"]
    assert not choice["message"]["content"]


def test_without_tools_text_stays_text(client, service, script):
    service.script = says(script, PARIS)
    for more in ({}, {"tools": TOOLS, "tool_choice": "none"}):
        assert client.chat(**more).json()["choices"][0]["message"]["content"] == PARIS


def test_the_older_functions(client, service, script):
    service.script = says(script, PARIS)
    (choice,) = client.chat(functions=[WEATHER, TIME], function_call="auto").json()["choices"]
    assert choice["finish_reason"] == "function_call"
    call = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    assert choice["message"]["function_call"] == call
    assert service.rendered[0]["tools"] == TOOLS
    parts = streamed(client.chat(functions=[WEATHER], stream=True))
    assert [p["delta"]["function_call"] for p in parts if "function_call" in p["delta"]] == [call]


def test_results_and_calls_go_back_to_the_template(client, service):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    client.chat(
        messages=[
            {"role": "user", "content": "1 + 1?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
            {"role": "assistant", "content": None, "function_call": {"name": "f"}},
            {"role": "function", "name": "f", "content": "3"},
            {"role": "assistant", "content": None, "refusal": "I will not."},
        ]
    )
    _, called, result, older, told, refused = service.rendered[0]["messages"]
    assert called["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert result == {"role": "tool", "content": "2", "tool_call_id": "c1"}
    assert older["tool_calls"][0]["function"]["name"] == "f"
    assert told == {"role": "tool", "name": "f", "content": "3"}
    assert refused["content"] == "I will not."


def tool(**changes: object) -> list[dict[str, object]]:
    return [{"type": "function", "function": {**WEATHER, **changes}}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": tool(name=3)}, "tools[0].function.name"),
        ({"tools": tool(name="get the weather")}, "tools[0].function.name"),
        ({"tools": tool(parameters=[])}, "tools[0].function.parameters"),
        ({"tools": tool(parameters={"properties": 1})}, "tools[0].function.parameters.properties"),
        ({"tools": tool(parameters={"required": 3})}, "tools[0].function.parameters.required"),
        ({"tools": [*TOOLS, *TOOLS]}, "tools"),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"tools": TOOLS, "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"function": {"name": "x"}}}, "tool_choice"),
        *(
            (
                {
                    "tools": TOOLS,
                    "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed},
                },
                at,
            )
            for allowed, at in (
                (3, "tool_choice.allowed_tools"),
                ({"tools": [1]}, "tool_choice"),
                ({"tools": "weather"}, "tool_choice"),
                ({"tools": [{"function": "weather"}]}, "tool_choice"),
            )
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [WEATHER], "function_call": {"name": "x"}}, "function_call"),
    ],
)
def test_what_is_wrong_is_named(client, service, fields, param):
    response = client.chat(**fields)
    assert response.status == 400
    assert response.json()["error"]["param"] == param
    assert service.calls == []


def test_thoughts_come_apart_from_the_answer(client, service, script):
    service.format = THINKS
    service.script = says(script, "<think>\nHm", "m.\n</think>\n\nYes", ".")
    message = client.chat().json()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hmm.", "Yes.")
    deltas = [choice["delta"] for choice in streamed(client.chat(stream=True))]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Hmm."
    assert "".join(delta.get("content", "") for delta in deltas) == "Yes."


def test_thoughts_that_the_prompt_began(client, service, script):
    service.format, service.prompt = THINKS, "<assistant><think>\n"
    service.script = says(script, "Hmm.</think>", "Yes.")
    message = client.chat().json()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hmm.", "Yes.")


def test_a_kept_answer_is_read_as_the_first_time(make_client, make_cache, service, script):
    client = make_client(cache=make_cache())
    service.format, service.prompt = THINKS, "<assistant><think>\n"
    service.script = says(script, f"Hmm.</think>{PARIS}")
    asked: dict[str, Any] = {"tools": TOOLS, "edge": {"cache": "use"}}
    first, again = client.chat(**asked).json(), client.chat(**asked).json()
    assert again["edge"]["cache"] == "exact"
    assert len(service.calls) == 1
    made = [document["choices"][0]["message"] for document in (first, again)]
    assert {m["reasoning_content"] for m in made} == {"Hmm."}
    assert {json.dumps(m["tool_calls"][0]["function"]) for m in made} == {
        '{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}'
    }


def constraint(client, service, **fields):
    assert client.chat(**fields).status == 200
    return service.calls[-1].constraint


def test_calls_keep_to_the_schemas_of_their_tools(client, service):
    auto = constraint(client, service, tools=TOOLS)
    assert (auto.kind, auto.param) == ("lark", "tools")
    assert "before_calls calls" in auto.text
    required = constraint(client, service, tools=TOOLS, tool_choice="required")
    assert "before_calls" not in required.text
    named = {"type": "function", "function": {"name": "get_time"}}
    one = constraint(client, service, tools=TOOLS, tool_choice=named)
    assert '"get_time"' in one.text
    assert '"get_weather"' not in one.text
    assert constraint(client, service, tools=TOOLS, tool_choice="none") is None
    assert constraint(client, service, functions=[TIME]).param == "functions"


def test_allowed_tools_are_all_that_may_be_called(client, service):
    listed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": listed}
    told = constraint(client, service, tools=TOOLS, tool_choice=choice)
    assert '"get_weather"' not in told.text
    assert service.rendered[0]["tools"] == TOOLS


def test_an_answer_in_json_beside_tools(client, service):
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"const": 7}}}
    told = constraint(client, service, tools=TOOLS, response_format=wanted)
    assert 'free: %json {"const": 7' in told.text


def test_other_constraints_do_not_go_with_tools(client, service):
    error = client.chat(tools=TOOLS, edge={"regex": "a+"}).json()["error"]
    assert error["param"] == "edge.regex"
    assert service.calls == []


def test_thoughts_come_before_what_is_asked_for(client, service):
    service.format, service.prompt = THINKS, "<assistant><think>\n"
    told = constraint(client, service, response_format={"type": "json_object"})
    assert (told.kind, told.param) == ("lark", "response_format")
    assert "start: thoughts answer" in told.text
    limited = {"response_format": {"type": "json_object"}, "edge": {"think": {"tokens": 5}}}
    assert "thoughts" not in constraint(client, service, **limited).text
    assert constraint(client, service) is None


def test_a_model_does_not_think_where_a_regex_is_asked_for(client, service):
    service.format, service.prompt = THINKS, "<assistant><think>\n"
    assert constraint(client, service, edge={"regex": "a+"}).kind == "regex"
    assert service.calls[0].prompt.endswith("</think>\n\n")


def test_markers_that_are_control_tokens_are_shown_by_a_grammar(client, service):
    service.format = ChatFormat(
        GENERIC, ThinkFormat("[THINK]", "[/THINK]"), ("[THINK]", "[/THINK]")
    )
    assert "<[/THINK]>" in constraint(client, service).text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"parallel_tool_calls": True}, True),
        ({}, False),
        ({"parallel_tool_calls": False}, False),
        ({"parallel_tool_calls": True, "tool_choice": "none"}, False),
        (
            {
                "parallel_tool_calls": True,
                "tool_choice": {"type": "function", "function": {"name": TIME["name"]}},
            },
            False,
        ),
    ],
)
def test_who_asks_for_parallel_calls_has_the_model_told_of_them(client, service, fields, told):
    system = {"role": "system", "content": "Be short."}
    user = {"role": "user", "content": "Time and weather?"}
    call = {"type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    later = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "12:00"}]
    for said in ([user], [system, user], [user, *later]):
        assert client.chat(messages=said, tools=TOOLS, **fields).status == 200
        rendered = service.rendered[-1]["messages"]
        assert [m["role"] for m in rendered] == [m["role"] for m in said]
        (asked,) = (m["content"] for m in rendered if m["role"] == "user")
        words = asked.removeprefix(user["content"])
        assert words.startswith("\n\nTo call several functions") if told else words == ""


def test_a_format_with_one_call_an_answer_is_told_of_no_others(client, service):
    service.format = ChatFormat(replace(GENERIC, separator=None))
    messages = [{"role": "user", "content": "Time?"}]
    assert client.chat(messages=messages, tools=TOOLS, parallel_tool_calls=True).status == 200
    assert service.rendered[-1]["messages"] == messages


@pytest.mark.parametrize("parallel", [True, False])
def test_without_parallel_calls_the_first_one_is_the_only_one(client, service, script, parallel):
    service.script = says(script, f"Both:\n{FENCED}\n{FENCED}")
    answer = client.chat(tools=TOOLS, parallel_tool_calls=parallel).json()
    message = answer["choices"][0]["message"]
    assert len(message["tool_calls"]) == (2 if parallel else 1)
    assert message["content"] == "Both:"


def test_a_call_that_an_answer_to_results_repeats_is_none(client, service, script):
    service.script = says(script, f"I called:\n{FENCED}\nIt is noon.")
    user = {"role": "user", "content": "Time?"}
    result = {"role": "tool", "content": "12:00"}
    (choice,) = client.chat(messages=[user], tools=TOOLS).json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    (choice,) = client.chat(messages=[user, result], tools=TOOLS).json()["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == f"I called:\n{FENCED}\nIt is noon."


def test_calls_of_a_template_that_do_not_read_back_are_told_of(client, service):
    service.format = ChatFormat(replace(GENERIC, unread=True))
    edge = client.chat(tools=TOOLS).json()["edge"]
    assert edge["tools"] == "generic"
    assert "do not read back" in edge["warnings"][0]
    assert "warnings" not in client.chat().json()["edge"]


@pytest.mark.parametrize("tools", [None, TOOLS])
def test_thoughts_on_a_channel_are_no_content(client, service, script, tools):
    service.format = HARMONY
    service.script = says(script, ANALYSIS, "<|channel|>final<|message|>", "Hello.")
    message = client.chat(tools=tools).json()["choices"][0]["message"]
    assert message["content"] == "Hello."
    assert message["reasoning_content"] == "The user greets."
    assert "<|channel|>" in service.calls[0].constraint.text  # which shows the control tokens
    chunks = streamed(client.chat(tools=tools, stream=True))
    assert "".join(one["delta"].get("content", "") for one in chunks) == "Hello."


def test_a_call_on_a_channel_is_one(client, service, script):
    service.format = HARMONY
    service.script = says(
        script, ANALYSIS, " to=functions.get_time<|channel|>commentary json<|message|>{}"
    )
    (choice,) = client.chat(tools=TOOLS).json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "get_time", "arguments": "{}"}


def test_thoughts_on_a_channel_have_a_limit(client, service):
    service.format = HARMONY
    service.prompt = "<|start|>assistant"
    client.chat(edge={"think": {"tokens": 5}})
    assert service.calls[0].thinking.behind == "<|start|>assistant"
