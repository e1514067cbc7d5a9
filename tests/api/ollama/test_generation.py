"""POST /api/chat and /api/generate: requests become calls, events become Ollama's documents."""

from __future__ import annotations

import json
from unittest.mock import ANY

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat

USER = [{"role": "user", "content": "Hi"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
THINKS = ChatFormat(GENERIC, thinking=ThinkFormat("<think>", "</think>", "enable_thinking"))
LAST = {
    "model": "smol:latest",
    "created_at": "2027-01-15T08:00:00.500000Z",
    "done": True,
    "done_reason": "stop",
    "total_duration": ANY,
    "load_duration": ANY,
    "prompt_eval_count": 10,
    "prompt_eval_duration": 200_000_000,
    "eval_count": 2,
    "eval_duration": 500_000_000,
    "edge": ANY,
}
NUMBERS = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "min_p": st.floats(0, 1),
    "top_k": st.integers(-1, 100),
    "repeat_penalty": st.floats(0.5, 2),
    "presence_penalty": st.floats(-2, 2),
    "seed": st.integers(-1, 2**40),
    "stop": st.lists(st.text(min_size=1, max_size=5), max_size=3),
}
SAID = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=20)),
    min_size=1,
    max_size=4,
)


def lines(response) -> list[dict]:
    assert response.status == 200, response.body
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.body.decode().splitlines()]


def chat(client, **fields):
    return client.post("/api/chat", {"model": "smol:latest", "messages": USER, **fields})


def generate(client, **fields):
    return client.post("/api/generate", {"model": "smol", "prompt": "Hi", **fields})


def test_a_chat_is_streamed_unless_told_otherwise(client) -> None:
    *news, last = lines(chat(client))
    assert [one["message"] for one in news] == [
        {"role": "assistant", "content": text} for text in ("Hello", " world")
    ]
    assert not any(one["done"] or "edge" in one for one in news)
    assert last == LAST | {"message": {"role": "assistant", "content": ""}}
    assert (last["edge"]["energy_j"], last["edge"]["id"]) == (1.5, "chatcmpl-42")
    assert last["total_duration"] >= 0


def test_a_whole_chat(client) -> None:
    answer = chat(client, stream=False).json()
    assert answer == LAST | {"message": {"role": "assistant", "content": "Hello world"}}
    assert answer["edge"]["model"] == "smol"


def test_a_generated_text(client, service) -> None:
    *news, last = lines(generate(client, system="Be brief."))
    assert "".join(one["response"] for one in news) == "Hello world"
    assert last == LAST | {"model": "smol", "response": ""}
    assert generate(client, stream=False).json()["response"] == "Hello world"
    assert service.rendered[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_a_raw_prompt_has_no_template_and_no_limit(client, service) -> None:
    answer = generate(client, raw=True, stream=False).json()
    assert answer["response"] == "Hello world"
    assert (service.calls[0].prompt, service.calls[0].max_tokens) == ("Hi", None)
    assert not service.rendered
    refused = generate(client, raw=True, system="Be brief.")
    assert refused.json() == {"error": "`system` cannot go with `raw`: write it into the prompt."}


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_comes_whole_with_its_arguments_as_an_object(
    client, service, script, stream
) -> None:
    text = 'Yes. <tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    service.script = lambda call: [
        script.started(),
        *(script.delta(text[i : i + 7]) for i in range(0, len(text), 7)),
        script.cost(),
        script.finished(),
    ]
    answer = chat(client, tools=[WEATHER], stream=stream)
    told = lines(answer) if stream else [answer.json()]
    calls = [call for one in told for call in one["message"].get("tool_calls", ())]
    assert calls == [
        {"id": ANY, "function": {"index": 0, "name": "weather", "arguments": {"city": "Oslo"}}}
    ]
    assert "".join(one["message"]["content"] for one in told) == "Yes."
    assert told[-1]["done_reason"] == "stop"


def test_results_of_tools_are_paired_with_calls_by_their_order(client, service) -> None:
    made = [{"function": {"name": n, "arguments": {"city": n}}} for n in ("weather", "time")]
    results = [{"role": "tool", "content": text} for text in ("rain", "noon")]
    messages = [*USER, {"role": "assistant", "content": "", "tool_calls": made}, *results]
    assert chat(client, messages=messages).status == 200
    said = service.rendered[0]["messages"]
    ids = [call["id"] for call in said[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [(m["name"], m["tool_call_id"], m["content"]) for m in said[2:]] == [
        ("weather", ids[0], "rain"),
        ("time", ids[1], "noon"),
    ]


def test_results_of_tools_may_name_their_call(client, service) -> None:
    made = [
        {"id": n[0], "function": {"name": n, "arguments": {}}} for n in ("weather", "time", "date")
    ]
    results = [
        {"role": "tool", "content": "noon", "tool_name": "time"},
        {"role": "tool", "content": "May", "tool_call_id": "d"},
        {"role": "tool", "content": "rain"},
    ]
    messages = [*USER, {"role": "assistant", "tool_calls": made}, *results]
    assert chat(client, messages=messages).status == 200
    said = service.rendered[0]["messages"][2:]
    assert [(m["name"], m["tool_call_id"]) for m in said] == [
        ("time", "t"),
        ("date", "d"),
        ("weather", "w"),
    ]


def test_options_become_the_sampling(client, service) -> None:
    options = {
        "temperature": 0,
        "top_k": 5,
        "top_p": 0.5,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
        "repeat_last_n": 32,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.25,
        "seed": 7,
        "stop": ["END"],
        "num_predict": 9,
        "num_ctx": None,
    }
    last = lines(chat(client, options=options))[-1]
    [call] = service.calls
    how = call.sampling
    assert (how.temperature, how.top_k, how.top_p, how.min_p) == (0, 5, 0.5, 0.1)
    assert (how.repeat_penalty, how.penalty_last_n) == (1.2, 32)
    assert (how.presence_penalty, how.frequency_penalty, how.seed) == (0.5, 0.25, 7)
    assert (call.stop, call.max_tokens) == (("END",), 9)
    assert "warnings" not in last["edge"]


def test_whole_numbers_may_be_written_as_floats(client, service) -> None:
    """As Home Assistant writes those of its dialogues."""
    given = {"top_k": 5, "repeat_last_n": 32, "seed": 7, "num_predict": 9, "num_ctx": 8192}
    last = lines(chat(client, options={name: float(value) for name, value in given.items()}))[-1]
    [call] = service.calls
    how = call.sampling
    told = [how.top_k, how.penalty_last_n, how.seed, call.max_tokens]
    assert [(type(one), one) for one in told] == [(int, one) for one in (5, 32, 7, 9)]
    assert "options.num_ctx: 8192 tokens are wanted" in last["edge"]["warnings"][0]
    for name in given:
        answer = chat(client, options={name: 7.5})
        assert answer.status == 400
        assert f"`options.{name}`: Expected" in answer.json()["error"]


@pytest.mark.parametrize("most", [-1, -2, 0])
def test_no_limit_of_tokens(client, service, most) -> None:
    lines(chat(client, options={"num_predict": most}))
    assert service.calls[0].max_tokens is None


def test_what_is_not_honoured_is_told(client) -> None:
    options = {"num_ctx": 8192, "num_gpu": 1, "num_thread": 4, "num_keep": 5, "temprature": 1}
    response = chat(client, options=options, keep_alive="5m", verbose=True)
    warnings = lines(response)[-1]["edge"]["warnings"]
    told = " ".join(warnings)
    for words in (
        "options.num_ctx: 8192 tokens are wanted, there is room for 4096",
        "options.num_gpu, options.num_thread: not honoured",
        "`options.temprature` is unknown and was ignored. Did you mean `options.temperature`?",
        "keep_alive: not honoured",
        "`verbose` is unknown",
    ):
        assert words in told
    assert "num_keep" not in told
    assert "x-edge-warning" in response.headers


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"options": {"mirostat": 2}}, "`options.mirostat` is not supported: leave it out"),
        ({"options": {"tfs_z": 0.5}}, "`options.tfs_z` is not supported"),
        ({"options": {"temperature": "hot"}}, "`options.temperature`: Expected `float"),
        ({"format": "yaml"}, '`format`: expected "json" or a JSON Schema'),
        ({"keep_alive": "soon"}, "`keep_alive`: expected seconds or a duration"),
        ({"think": True}, '"smol:latest" does not support thinking'),
        ({"messages": [{"role": "user", "content": "", "images": ["aGk="]}]}, "messages[0].images"),
        ({"messages": [{"role": "robot", "content": ""}]}, "`messages[0].role`: expected one of"),
        ({"model": ""}, "`model`"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(client, fields, error) -> None:
    response = chat(client, **fields)
    assert response.status == 400
    assert set(response.json()) == {"error"}
    assert error in response.json()["error"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("template", "{{ .Prompt }}"), ("context", [1])],
)
def test_fields_of_generate_that_are_refused(client, name, value) -> None:
    response = generate(client, **{name: value})
    assert response.status == 400
    assert f"`{name}` is not supported" in response.json()["error"]
    assert generate(client, **{name: type(value)()}).status == 200


def test_fields_that_ask_for_nothing_are_taken(client) -> None:
    options = {"mirostat": 0, "tfs_z": 1.0, "typical_p": 1, "mirostat_tau": 5, "stop": None}
    assert chat(client, options=options, format="", truncate=True, shift=False).status == 200


@pytest.mark.parametrize(
    ("format", "kind"), [("json", "json_object"), ({"type": "object"}, "json_schema")]
)
def test_the_format_constrains_the_answer(client, service, format, kind) -> None:
    lines(chat(client, format=format))
    constraint = service.calls[0].constraint
    assert (constraint.kind, constraint.strict) == (kind, True)


def test_thoughts_are_told_apart(client, service, script) -> None:
    service.format = THINKS
    service.script = lambda call: [
        script.started(),
        *(script.delta(text) for text in ("<think>", "Hm.", "</think>", "Yes")),
        script.cost(),
        script.finished(),
    ]
    answer = chat(client, think=True, stream=False).json()["message"]
    assert (answer["thinking"].strip(), answer["content"]) == ("Hm.", "Yes")
    assert service.rendered[-1]["variables"] == {"enable_thinking": True}
    told = lines(generate(client, think=False))
    assert "".join(one["response"] for one in told) == "Yes"
    assert service.rendered[-1]["variables"] == {"enable_thinking": False}
    assert chat(client, think="low").status == 200


def test_not_thinking_is_no_wish_of_a_model_that_does_not(client) -> None:
    assert chat(client, think=False).status == 200


def test_log_probabilities(client, service, script) -> None:
    from edge_rt.core.decoding import TokenLogprob

    token = TokenLogprob(b"Hello", -0.5, [(b"Hello", -0.5)])
    service.script = lambda call: [
        script.started(),
        script.delta("Hello", logprobs=[token]),
        script.cost(),
        script.finished(),
    ]
    for stream in (True, False):
        answer = chat(client, logprobs=True, top_logprobs=1, stream=stream)
        told = lines(answer)[0] if stream else answer.json()
        [one] = told["logprobs"]
        assert (one["token"], one["logprob"], len(one["top_logprobs"])) == ("Hello", -0.5, 1)


@pytest.mark.parametrize(("path", "fields"), [("chat", {}), ("generate", {"prompt": ""})])
def test_asking_nothing_loads_the_model(client, service, path, fields) -> None:
    answer = client.post(f"/api/{path}", {"model": "smol", **fields}).json()
    assert (answer["done"], answer["done_reason"]) == (True, "load")
    assert service.preloads == ["smol"]
    assert not service.calls


@pytest.mark.parametrize("keep_alive", [0, "0", "0s"])
@pytest.mark.parametrize(("path", "fields"), [("chat", {}), ("generate", {"prompt": ""})])
def test_asking_nothing_and_keeping_nothing_unloads_the_model(
    client, service, path, fields, keep_alive
) -> None:
    body = {"model": "smol", "keep_alive": keep_alive, **fields}
    answer = client.post(f"/api/{path}", body).json()
    assert (answer["done"], answer["done_reason"]) == (True, "unload")
    assert (service.unloads, service.preloads, service.calls) == (["smol"], [], [])


def test_a_model_that_answers_others_is_not_said_to_be_gone(client, service) -> None:
    service.unloadable = False
    response = client.post("/api/generate", {"model": "smol", "keep_alive": 0})
    assert response.status == 503
    assert "smol is answering" in response.json()["error"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("ask", [chat, generate])
def test_keeping_nothing_unloads_the_model_after_the_answer(client, service, ask, stream) -> None:
    answering, before = service.script, []

    def script(call):
        before.append(list(service.unloads))
        return answering(call)

    service.script = script
    response = ask(client, keep_alive=0, stream=stream)
    last = lines(response)[-1] if stream else response.json()
    assert last["done_reason"] == "stop"
    assert "keep_alive" not in str(last["edge"].get("warnings"))
    assert (before, service.unloads) == ([[]], ["smol"])


def test_a_suffix_makes_the_answer_fill_the_gap_without_the_template(client, service) -> None:
    answer = generate(client, prompt="def add(", suffix="return a + b", stream=False).json()
    [call] = service.calls
    assert (call.prompt, call.suffix, call.max_tokens) == ("def add(", "return a + b", None)
    assert (service.rendered, answer["done"]) == ([], True)


@pytest.mark.parametrize("fields", [{"system": "Be brief."}, {"think": True}])
def test_what_only_a_template_can_say_is_refused_beside_a_suffix(client, fields) -> None:
    response = generate(client, suffix="x", **fields)
    assert response.status == 400
    assert f"`{next(iter(fields))}` cannot go with `suffix`" in response.json()["error"]


def test_an_empty_suffix_asks_for_nothing(client, service) -> None:
    assert generate(client, suffix="").status == 200
    assert service.calls[0].suffix is None


def test_errors_have_ollamas_shape_and_status(client, service, script) -> None:
    missing = chat(client, model="nothing")
    assert (missing.status, set(missing.json())) == (404, {"error"})
    malformed = client.post("/api/chat", b"{")
    assert (malformed.status, set(malformed.json())) == (400, {"error"})
    service.script = lambda call: [script.started(), script.delta("He"), RuntimeError("a secret")]
    *_, last = lines(chat(client))
    assert set(last) == {"error"}
    assert "secret" not in last["error"]


def test_errors_name_the_fields_of_this_api(client, service) -> None:
    from edge_rt.core.errors import RequestError

    message = "`response_format`: the keyword `not` cannot be enforced."
    service.script = lambda call: [RequestError(message, param="response_format")]
    told = chat(client, format={"not": {}}).json()["error"]
    assert told == "`format`: the keyword `not` cannot be enforced."


def test_both_apis_share_kept_answers(make_client, make_cache, service) -> None:
    client = make_client(cache=make_cache())
    first = client.chat(model="smol", temperature=0).json()
    again = chat(client, options={"temperature": 0}, stream=False).json()
    assert again["message"]["content"] == first["choices"][0]["message"]["content"]
    assert again["edge"]["cache"] == "exact"
    assert len(service.calls) == 1
    *_, last = lines(chat(client, options={"temperature": 0}))
    assert last["edge"]["cache"] == "exact"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    options=st.fixed_dictionaries({}, optional=NUMBERS),
    most=st.none() | st.integers(1, 100),
    said=SAID,
    thinks=st.booleans(),
)
def test_the_same_request_by_both_apis_is_one_call(
    client, service, options, most, said, thinks
) -> None:
    service.format = THINKS
    messages = [{"role": role, "content": text} for role, text in said]
    same = {"model": "smol", "messages": messages}
    edge = {"think": "on" if thinks else "off"}
    theirs = same | {"options": options | {"num_predict": most}, "think": thinks}
    assert client.post("/api/chat", theirs).status == 200
    ours = same | options | {"max_tokens": most, "edge": edge}
    assert client.post("/v1/chat/completions", ours).status == 200
    assert service.calls[-1] == service.calls[-2]
    assert service.rendered[-1] == service.rendered[-2]
