"""What clients are told when they ask for what cannot be."""

from __future__ import annotations

import openai
import pytest

MODEL = "smollm2-135m-instruct"
ASK = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def _still_well(daemon):
    """No bad request harms the next good one."""
    yield
    assert daemon.complete("Hello", max_tokens=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.5),
        ("temperature", "hot"),
        ("top_p", -0.1),
        ("max_tokens", 0),
        ("n", 0),
        ("n", 100),
        ("seed", 1.5),
        ("stop", [""]),
        ("logit_bias", {"word": 1}),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {"49152": 1}),  # one more than there are
        ("presence_penalty", 3),
        ("frequency_penalty", -3),
        ("top_logprobs", 21),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"strict": True, "schema": {"not": {}}}},
        ),
        ("messages", []),
        ("stream", "yes"),
    ],
)
def test_a_wrong_field_is_named(sdk, field, value):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(
            **({"model": MODEL, "messages": ASK, "max_tokens": 1} | {field: value})
        )
    assert caught.value.param.split("[")[0] == field
    assert field in caught.value.body["message"]


@pytest.mark.parametrize("field", ["role", "content"])
def test_a_wrong_message_is_named(sdk, field):
    message = {"role": "user", "content": "Hi"} | {field: 7}
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model=MODEL, messages=[*ASK, message])
    assert caught.value.param == f"messages[1].{field}"


@pytest.mark.parametrize("prompt", ["", [], [49152], [-1], ["a", 1]])
def test_a_wrong_prompt_is_named(sdk, prompt):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.completions.create(model=MODEL, prompt=prompt, max_tokens=1)
    assert caught.value.param.startswith("prompt")


def test_unknown_fields_are_ignored(sdk):
    answer = sdk.chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=1, extra_body={"colour": "red"}
    )
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_does_not_fit(sdk, stream):
    """Both numbers are told, before a stream begins too."""
    prompt = [1] * 1500
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.completions.create(model=MODEL, prompt=prompt, max_tokens=1, stream=stream)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "prompt"
    assert "1024" in caught.value.body["message"]
    assert "1500" in caught.value.body["message"]


def test_messages_that_do_not_fit(sdk):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "word " * 1100}]
        )
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "messages"


@pytest.mark.slow
def test_an_answer_ends_where_the_context_does(sdk):
    answer = sdk.completions.create(
        model=MODEL,
        prompt=[1] * 1016,
        max_tokens=100,
        temperature=0,
        extra_body={"ignore_eos": True},
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.total_tokens == 1024


@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(sdk, stream):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.chat.completions.create(model="nobody", messages=ASK, stream=stream)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "nobody" in caught.value.body["message"]


def test_unknown_model_by_its_address(sdk):
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("nobody")


def test_a_body_that_is_too_large(daemon):
    answer = daemon.post({"prompt": "x" * (5 << 20)})
    assert answer.status_code == 413
    assert "4194304" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/chat/completions"), ("PUT", "/v1/completions"), ("POST", "/v1/models")],
)
def test_wrong_method(daemon, method, path):
    answer = daemon.http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"]
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_unknown_address(daemon):
    answer = daemon.http.get("/v2/models")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"prompt": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_request(daemon, body):
    answer = daemon.http.post("/v1/completions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
