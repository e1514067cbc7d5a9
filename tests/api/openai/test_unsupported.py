"""Fields that would change the answer are refused by name; unknown ones only cause a warning."""

from __future__ import annotations

import difflib
import logging

import pytest

SHARED = [
    ("mirostat", 2, 0),
    ("typical_p", 0.9, 1.0),
    ("top_n_sigma", 1.5, -1),
    ("xtc_probability", 0.5, 0),
    ("dry_multiplier", 0.8, 0),
    ("n_predict", 20, -1),
    ("skip_special_tokens", False, True),
    ("length_penalty", 1.2, 1.0),
    ("bad_words", ["no"], []),
    ("guided_json", {"type": "object"}, None),
]
FORMAT = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
TOOLS = [{"type": "function", "function": {"name": "weather"}}]


@pytest.mark.parametrize(
    ("name", "asks"), [("add_generation_prompt", False), ("continue_final_message", True)]
)
def test_completions_refuse_what_chat_templates_know(client, name, asks):
    error = client.complete(**{name: asks}).json()["error"]
    assert (error["param"], error["code"]) == (name, "unsupported_parameter")


@pytest.mark.parametrize(("name", "asks", "neutral"), SHARED)
def test_a_field_that_would_change_the_answer_is_refused_by_name(client, name, asks, neutral):
    for send in (client.chat, client.complete):
        for stream in (False, True):
            refused = send(**{name: asks}, stream=stream)
            error = refused.json()["error"]
            assert (refused.status, error["param"]) == (400, name)
            assert error["code"] == "unsupported_parameter"
        for value in (neutral, None):
            answered = send(**{name: value})
            assert answered.status == 200
            assert "x-edge-warning" not in answered.headers


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("guided_json", {"type": "object"}, "response_format"),
        ("guided_regex", "a+", "edge.regex"),
        ("guided_choice", ["a"], "edge.choice"),
        ("guided_grammar", "root ::= 'a'", "grammar"),
        ("structured_outputs", {"regex": "a"}, "edge.regex"),
        ("n_predict", 3, "max_tokens"),
        ("bad_words", ["a"], None),
    ],
)
def test_a_refused_field_is_told_with_what_does_the_same_here(client, name, value, told):
    message = client.chat(**{name: value}).json()["error"]["message"]
    assert message.startswith(f"`{name}` is not supported: ")
    assert ("leave it out" if told is None else f"`{told}`") in message.partition(":")[2]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("foo", None),
        ("num_predict", None),  # near to n_predict, which would be refused
    ],
)
def test_an_unknown_field_is_ignored_with_a_warning(client, caplog, name, near):
    meant = "" if near is None else f" Did you mean `{near}`?"
    expected = f"The field `{name}` is unknown and was ignored.{meant}"
    with caplog.at_level(logging.WARNING):
        for send in (client.chat, client.complete):
            for stream in (False, True):
                answered = send(**{name: 1}, stream=stream)
                assert answered.status == 200
                assert answered.headers["x-edge-warning"] == expected
    assert caplog.text.count(expected) == 2  # once for each endpoint, not for each request


def test_embeddings_warn_too(client):
    body = {"input": "Rain", "dimension": 4, "user": "me"}
    answered = client.post("/v1/embeddings", body)
    assert answered.status == 200
    assert "Did you mean `dimensions`?" in answered.headers["x-edge-warning"]


def test_fields_that_change_no_answer_pass_without_a_warning(client):
    answered = client.chat(
        user="me",
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
        stream_options=None,
        parallel_tool_calls=True,
        cache_prompt=True,
        mirostat_tau=5.0,
        dry_multiplier=0,
        samplers=None,
    )
    assert answered.status == 200
    assert "x-edge-warning" not in answered.headers


def test_many_unknown_fields_of_any_name_stay_a_few_plain_headers(client, caplog):
    names = [f'{number}\r\nx-evil: 1 "é' + "x" * 9000 for number in range(50)]
    with caplog.at_level(logging.WARNING):
        for round in range(20):
            answered = client.chat(**{f"{round}.{name}": 1 for name in names})
    assert answered.status == 200
    assert "x-evil" not in answered.headers
    sent = answered.messages[0]["headers"]
    warnings = [value for name, value in sent if name == b"x-edge-warning"]
    assert len(warnings) == 9
    assert all(len(value) < 1000 and value.isascii() for value in warnings)
    assert warnings[-1] == b"42 more unknown fields were ignored."
    assert len(caplog.records) == 100


def test_a_request_that_fails_warns_too(client):
    answered = client.chat(temprature=1, model="absent")
    assert answered.status == 404
    assert "temperature" in answered.headers["x-edge-warning"]


def test_our_own_endpoints_refuse_what_is_unknown(client):
    answered = client.post("/edge/v1/plan", {"prompt": "Rain", "temprature": 1})
    error = answered.json()["error"]
    assert (answered.status, error["param"]) == (400, "temprature")


def test_an_unknown_field_of_edge_is_refused(client):
    answered = client.chat(edge={"energy": 1})
    error = answered.json()["error"]
    assert (answered.status, error["param"]) == (400, "edge.energy")


def allowed(**fields) -> dict:
    return {"type": "allowed_tools", "allowed_tools": {"tools": TOOLS, **fields}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream_options": {"include_usge": True}}, "stream_options.include_usge"),
        ({"response_format": {**FORMAT, "strict": True}}, "response_format.strict"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"shema": {}}}},
            "response_format.json_schema.shema",
        ),
        ({"edge": {"energi_j": 1}}, "edge.energi_j"),
        ({"edge": {"think": {"token": 1}}}, "edge.think.token"),
        (
            {"tools": TOOLS, "tool_choice": {"function": {"name": "weather"}, "modes": 1}},
            "tool_choice.modes",
        ),
        (
            {"tools": TOOLS, "tool_choice": {"function": {"name": "weather", "strict": True}}},
            "tool_choice.function.strict",
        ),
        (
            {"tools": TOOLS, "tool_choice": allowed(mod="required")},
            "tool_choice.allowed_tools.mod",
        ),
        (
            {"tools": TOOLS, "tool_choice": allowed() | {"mode": "required"}},
            "tool_choice.mode",
        ),
    ],
)
def test_settings_refuse_an_unknown_field_by_its_path(client, fields, param):
    refused = client.chat(**fields)
    error = refused.json()["error"]
    assert (refused.status, error["param"], error["code"]) == (400, param, "unknown_parameter")
    assert error["message"] == f"`{param}` is not known here."


def test_a_mode_of_the_allowed_tools_is_checked(client):
    error = client.chat(tools=TOOLS, tool_choice=allowed(mode="reqired")).json()["error"]
    assert error["param"] == "tool_choice.allowed_tools.mode"
    assert client.chat(tools=TOOLS, tool_choice=allowed(mode="auto")).status == 200


def test_what_clients_copy_from_answers_is_not_told(client):
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    call["function"] |= {"parsed_arguments": {}, "provider_specific_fields": {"a": 1}}
    said = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": [], "audio": None}
    said |= {"parsed": {"a": 1}, "provider_specific_fields": {"refusal": None}}
    said |= {"function_call": None, "tool_calls": [call | {"index": 0}]}
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "user", "content": [part]},
        said,
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ]
    answered = client.chat(messages=messages, tools=TOOLS)
    assert answered.status == 200
    assert "warnings" not in answered.json()["edge"]


@pytest.mark.parametrize(
    "fields",
    [
        {"stream_options": {"include_usage": True, "include_it": None}, "stream": True},
        {"edge": {"energi_j": None, "think": {"token": None}}},
        {"tools": TOOLS, "tool_choice": allowed(mod=None)},
        {"stream_options": {"chunk_include_usage": True}, "stream": True},
        {"stream_options": {"reasoning_summary_delivery": "sequential_cutoff"}, "stream": True},
    ],
)
def test_settings_take_what_is_null_or_changes_nothing(client, fields):
    answered = client.chat(**fields)
    assert answered.status == 200
    assert "x-edge-warning" not in answered.headers


def test_what_nobody_reads_is_not_decoded(client):
    body = b'{"prompt": "Rain", "metadata": {"size": 1e999}, "max_tokens": 1}'
    assert client.post("/v1/completions", body).status == 200


def test_what_was_meant_is_looked_up_once(client, monkeypatch):
    looked = []
    near = difflib.get_close_matches

    def counted(name, *others):
        looked.append(name)
        return near(name, *others)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    for _ in range(3):
        assert "`top_p`" in client.chat(topp_=1).headers["x-edge-warning"]
    assert looked == ["topp_"]
