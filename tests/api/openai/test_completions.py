"""POST /v1/completions: every kind of prompt, echo, and OpenAI's legacy logprobs."""

from __future__ import annotations

import pytest

from edge_rt.config.schema import Requests
from edge_rt.core.decoding import TokenLogprob


def test_plain_answer_has_openais_shape(client):
    document = client.complete(model="smol").json()
    assert set(document) == {
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "system_fingerprint",
        "edge",
    }
    assert (document["id"], document["object"]) == ("cmpl-42", "text_completion")
    choice = {"index": 0, "text": "Hello world", "logprobs": None, "finish_reason": "stop"}
    assert document["choices"] == [choice]
    assert document["usage"]["total_tokens"] == 12


def test_stream_has_the_same_shape(client):
    *chunks, done = client.complete(stream=True).events()
    assert done == "[DONE]"
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [(c["text"], c["finish_reason"]) for c in choices] == [
        ("Hello", None),
        (" world", None),
        ("", "stop"),
    ]
    assert "edge" in chunks[-1]
    assert all("usage" not in chunk for chunk in chunks)


def test_stream_with_usage(client):
    *chunks, last, _ = client.complete(stream=True, stream_options={"include_usage": True}).events()
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert last["edge"]["model"] == "smol"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", ["a"]),
        ("", [""]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_each_kind_of_prompt_becomes_calls(client, service, prompt, expected):
    document = client.complete(prompt=prompt, n=2).json()
    assert sorted(map(repr, (call.prompt for call in service.calls))) == sorted(map(repr, expected))
    assert [choice["index"] for choice in document["choices"]] == list(range(2 * len(expected)))
    assert document["usage"]["prompt_tokens"] == 10 * len(expected)


def test_choices_of_several_prompts_keep_the_order_of_the_prompts(client, service, script):
    service.script = lambda call: [
        script.started(),
        *(script.delta(f"{call.prompt}{i}", i) for i in reversed(range(call.n))),
        *(script.finished(i) for i in reversed(range(call.n))),
    ]
    prompts = [f"p{i}-" for i in range(20)]
    expected = [f"{prompt}{i}" for prompt in prompts for i in range(2)]
    document = client.complete(prompt=prompts, n=2).json()
    assert [choice["text"] for choice in document["choices"]] == expected
    texts = [""] * 40
    for chunk in client.complete(prompt=prompts, n=2, stream=True).events()[:-1]:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == expected


def test_no_more_answers_run_at_once_than_one_request_may_have(make_client, service):
    client = make_client(Requests(max_n=4))
    assert client.complete(prompt=["x"] * 30, n=2).status == 200
    assert service.most_open == 2
    assert service.closed == 30


def test_echo_puts_the_prompt_first(client):
    assert client.complete(echo=True).json()["choices"][0]["text"] == "OnceHello world"
    texts = [c["choices"][0]["text"] for c in client.complete(echo=True, stream=True).events()[:-1]]
    assert texts == ["Once", "Hello", " world", ""]


def test_defaults(client, service):
    client.complete()
    (call,) = service.calls
    assert (call.max_tokens, call.n, call.stop, call.ignore_eos) == (16, 1, (), False)
    assert call.sampling == service.models[0].sampling


@pytest.mark.parametrize(("fields", "chunks"), [({}, 2), ({"logprobs": 0}, 3)])
def test_a_token_without_text_is_streamed_for_its_logprob_alone(
    client, service, script, fields, chunks
):
    """As the first half of a character is, whose text comes with the second."""
    tokens = [TokenLogprob(b"\xe2\x82", -0.5), TokenLogprob(b"\xac", -0.25)]
    texts = zip(("", "\u20ac"), tokens, strict=True)
    service.script = lambda call: [
        script.started(),
        *(script.delta(text, logprobs=[token]) for text, token in texts),
        script.cost(),
        script.finished(),
    ]
    *documents, _ = client.complete(stream=True, **fields).events()
    choices = [document["choices"][0] for document in documents]
    assert len(choices) == chunks
    assert "".join(choice["text"] for choice in choices) == "\u20ac"
    told = [each for one in choices for each in (one["logprobs"] or {}).get("token_logprobs", ())]
    assert told == ([-0.5, -0.25] if fields else [])


def test_logprobs_in_the_legacy_shape(client, service, script):
    tokens = [
        TokenLogprob(b"\xe2\x82", -0.5, [(b"a", -1.0)]),
        TokenLogprob(b"\xac", -0.25),
        TokenLogprob(b" x", float("-inf")),
    ]
    service.script = lambda call: [
        script.started(),
        script.delta("€", tokens=2, logprobs=tokens[:2]),
        script.delta(" x", logprobs=tokens[2:]),
        script.finished(),
    ]
    logprobs = client.complete(logprobs=1).json()["choices"][0]["logprobs"]
    assert logprobs == {
        "tokens": ["bytes:\\xe2\\x82", "bytes:\\xac", " x"],
        "token_logprobs": [-0.5, -0.25, -9999.0],
        "top_logprobs": [
            {"a": -1.0, "bytes:\\xe2\\x82": -0.5},
            {"bytes:\\xac": -0.25},
            {" x": -9999.0},
        ],
        "text_offset": [0, 0, 1],
    }
    assert service.calls[0].sampling.top_logprobs == 1
    chunks = client.complete(logprobs=1, stream=True).events()[:-1]
    streamed = [c["choices"][0]["logprobs"] for c in chunks[:-1]]
    for key, values in logprobs.items():
        assert [value for each in streamed for value in each[key]] == values


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [[1], 2]}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [[1], []]}, "prompt[1]"),
        ({"prompt": [1, -1]}, "prompt[1]"),
        ({"prompt": [1, True]}, "prompt[1]"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": ["x"] * 2049}, "prompt"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"echo": True, "logprobs": 0}, "echo"),
        ({"echo": True, "prompt": [1]}, "echo"),
        ({"best_of": 9}, "best_of"),
        ({"best_of": 2, "n": 3}, "best_of"),
        ({"n": 9}, "n"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_each_wrong_field_is_named(client, service, fields, param):
    response = client.complete(**fields)
    assert response.status == 400
    assert response.json()["error"]["param"] == param
    assert param in response.json()["error"]["message"]
    assert service.calls == []


def test_best_of_equal_to_n_passes(client):
    assert client.complete(best_of=1).status == 200
    assert client.complete(best_of=2, n=2).status == 200
