"""Chat through the openai SDK, over the Unix socket, with the real model."""

from __future__ import annotations

import json

import openai
import pytest

ASK = [{"role": "user", "content": "Why is the sky blue?"}]


def chat(sdk, messages=ASK, **fields):
    fields = {"model": "smollm2-135m-instruct", "temperature": 0, "max_tokens": 12} | fields
    return sdk.chat.completions.create(messages=messages, **fields)


def test_plain_answer(sdk):
    answer = chat(sdk)
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content.strip()
    assert choice.finish_reason == "length"
    usage = answer.usage
    assert usage.completion_tokens == 12
    assert usage.total_tokens == usage.prompt_tokens + 12
    edge = answer.model_extra["edge"]
    assert edge["model"] == answer.model == "smollm2-135m-instruct"
    assert edge["decode_s"] > 0
    assert edge["tokens_per_s"] > 0


def test_an_answer_may_end_by_itself(sdk):
    messages = [{"role": "user", "content": "Say only: Yes."}]
    answer = chat(sdk, messages, max_tokens=100)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens < 100
    assert "<|im_end|>" not in answer.choices[0].message.content


def test_stream_joined_is_the_plain_answer(sdk):
    chunks = list(chat(sdk, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    said = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert said == chat(sdk).choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert chunks[-1].model_extra["edge"]["backend"] == "llama.cpp"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_comes_piece_by_piece(sdk):
    # Long enough for several pieces where a fast model's tokens share one.
    pieces = [c.choices[0].delta.content for c in chat(sdk, stream=True, max_tokens=64)]
    assert len([piece for piece in pieces if piece]) > 6


def test_usage_of_a_stream(sdk):
    *chunks, last = chat(sdk, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == 12
    assert last.model_extra["edge"]["tokens_per_s"] > 0
    assert all(chunk.usage is None for chunk in chunks)


def test_several_answers(sdk):
    answer = chat(sdk, n=2, temperature=1.5, seed=3, max_tokens=16)
    first, second = (choice.message.content for choice in answer.choices)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert first != second
    assert answer.usage.completion_tokens == 32


def test_several_streamed_answers_are_the_plain_ones(sdk):
    fields = {"n": 2, "temperature": 1.5, "seed": 3, "max_tokens": 16}
    said = ["", ""]
    for chunk in chat(sdk, stream=True, **fields):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == [choice.message.content for choice in chat(sdk, **fields).choices]


def test_logprobs(sdk):
    choice = chat(sdk, logprobs=True, top_logprobs=3).choices[0]
    tokens = choice.logprobs.content
    assert len(tokens) == 12
    assert b"".join(bytes(t.bytes) for t in tokens).decode() == choice.message.content
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.logprob <= 0
        best = token.top_logprobs[0]
        assert (token.token, token.logprob) == (best.token, best.logprob), "greedy draws the best"


def test_logprobs_do_not_change_the_answer(sdk):
    plain = chat(sdk).choices[0].message.content
    assert chat(sdk, logprobs=True, top_logprobs=5).choices[0].message.content == plain


def test_streamed_logprobs_are_the_plain_ones(sdk):
    plain = chat(sdk, logprobs=True).choices[0].logprobs.content
    streamed = [
        token
        for chunk in chat(sdk, logprobs=True, stream=True)
        for choice in chunk.choices
        for token in (choice.logprobs.content if choice.logprobs else [])
    ]
    assert [t.token for t in streamed] == [t.token for t in plain]
    assert [t.logprob for t in streamed] == [t.logprob for t in plain]


def test_a_system_prompt_is_heard(sdk):
    system = {"role": "system", "content": "You are a pirate. Answer in capital letters."}
    assert chat(sdk, [system, *ASK]).choices != chat(sdk).choices


def test_content_may_come_in_parts(sdk):
    parts = [{"type": "text", "text": text} for text in ("Why is the", "sky blue?")]
    joined = [{"role": "user", "content": "Why is the\nsky blue?"}]
    assert chat(sdk, [{"role": "user", "content": parts}]).choices == chat(sdk, joined).choices


def test_the_second_turn_reuses_the_first(sdk):
    messages = [{"role": "user", "content": "Name three colours that cats cannot see well."}]
    first = chat(sdk, messages)
    said = first.choices[0].message.content
    messages += [
        {"role": "assistant", "content": said},
        {"role": "user", "content": "And dogs?"},
    ]
    second = chat(sdk, messages).usage
    assert second.prompt_tokens > first.usage.prompt_tokens
    assert second.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens


def test_a_shared_system_prompt_is_read_once(sdk):
    system = {"role": "system", "content": "Rules of the house: " + "be kind and brief. " * 12}
    chat(sdk, [system, {"role": "user", "content": "Hello"}], max_tokens=1)
    second = chat(sdk, [system, {"role": "user", "content": "Goodbye"}], max_tokens=1)
    assert second.usage.prompt_tokens_details.cached_tokens > 60


def test_every_chunk_is_valid_utf8(daemon, tools):
    """Characters of several tokens each are never cut, on the wire or in the text."""
    body = {
        "messages": [{"role": "user", "content": "Repeat: 🦊🌍🎉 日本語 Ünïcödé"}],
        "temperature": 1.6,  # so hot that odd bytes come
        "max_tokens": 60,
        "stream": True,
    }
    for seed in range(3):
        request = {"model": daemon.model, "seed": seed} | body
        with daemon.http.stream("POST", "/v1/chat/completions", json=request) as response:
            documents = []
            for line in response.iter_raw():
                documents.append(line.decode())  # strict: raises on half a character
        said = "".join(tools.texts(_documents("".join(documents))))
        plain = daemon.post(request | {"stream": False}, "/v1/chat/completions").json()
        assert said == plain["choices"][0]["message"]["content"]
        said.encode()  # no lone surrogates


def _documents(text: str):
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return map(json.loads, lines[:-1])


def test_a_chat_that_is_too_long_keeps_what_the_question_is_about(sdk):
    turns = [
        {"role": role, "content": text}
        for i in range(400)
        for role, text in (
            ("user", f"Plot {i} of the garden was sown in {1900 + i % 90} with crop{i}."),
            ("assistant", "I have noted that for you, and will remember it."),
        )
    ]
    messages = [*turns, {"role": "user", "content": "What was sown with crop77?"}]
    with pytest.raises(openai.BadRequestError, match="context length"):
        chat(sdk, messages)
    answer = chat(sdk, messages, extra_body={"edge": {"context": {"tokens": 600}}})
    left_out = answer.model_extra["edge"]["left_out"]
    assert answer.usage.prompt_tokens == left_out["tokens"] <= 600
    assert left_out["of_tokens"] > 8192
    assert not any(part.startswith("154") for part in left_out["messages"])  # that of crop77
    assert left_out["messages"][0].startswith("0-")
