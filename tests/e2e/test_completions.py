"""Completions and models through the openai SDK, over the Unix socket, with the real model."""

from __future__ import annotations

import pytest

PROMPT = "The capital of France is"


def complete(sdk, prompt=PROMPT, **fields):
    fields = {"model": "smollm2-135m-instruct", "temperature": 0, "max_tokens": 12} | fields
    return sdk.completions.create(prompt=prompt, **fields)


def test_plain_answer(sdk):
    answer = complete(sdk)
    assert "Paris" in answer.choices[0].text
    assert answer.usage.completion_tokens == 12
    assert answer.object == "text_completion"


def test_stream_joined_is_the_plain_answer(sdk):
    chunks = list(complete(sdk, stream=True, stream_options={"include_usage": True}))
    said = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert said == complete(sdk).choices[0].text
    assert chunks[-1].usage.completion_tokens == 12


def test_max_tokens(sdk):
    answer = complete(sdk, max_tokens=5)
    assert answer.usage.completion_tokens == 5
    assert answer.choices[0].finish_reason == "length"


def test_several_prompts_at_once(sdk):
    alone = [complete(sdk, p).choices[0].text for p in (PROMPT, "Two plus two is")]
    both = complete(sdk, [PROMPT, "Two plus two is"])
    assert [choice.text for choice in both.choices] == alone


def test_echo(sdk):
    answer = complete(sdk, echo=True)
    assert answer.choices[0].text == PROMPT + complete(sdk).choices[0].text


def test_logprobs(sdk):
    logprobs = complete(sdk, logprobs=2).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == 12
    assert all(value <= 0 for value in logprobs.token_logprobs)
    assert all(len(top) >= 2 for top in logprobs.top_logprobs)


def test_logit_bias(sdk):
    """A token can be forced and can be forbidden, whatever its text is."""

    def three(prompt, bias):
        return complete(sdk, prompt, max_tokens=3, logit_bias=bias).choices[0].text

    word = complete(sdk, [1, 2, 3], max_tokens=1, logit_bias={"500": 100}).choices[0].text
    assert three(PROMPT, {"500": 100}) == 3 * word
    assert three(PROMPT, {"500": 100, "501": 100}) != three(PROMPT, {"500": -100, "501": 100})
    assert word not in three(PROMPT, {"500": -100})


@pytest.mark.parametrize("temperature", [0, 1.2])
def test_a_stop_string_ends_the_answer_and_is_not_told(sdk, temperature):
    fields = {"temperature": temperature, "seed": 11, "max_tokens": 24}
    whole = complete(sdk, **fields).choices[0].text
    stop = whole[9:16]  # wherever the tokens' borders are
    answer = complete(sdk, stop=stop, **fields).choices[0]
    assert answer.text == whole[: whole.index(stop)]
    assert answer.finish_reason == "stop"


def test_same_seed_same_text(sdk):
    fields = {"temperature": 1.0, "max_tokens": 16}
    first, again, other = (complete(sdk, seed=s, **fields).choices[0].text for s in (7, 7, 8))
    assert first == again
    assert first != other


def test_no_seed_means_a_fresh_one(sdk):
    texts = {complete(sdk, temperature=1.5, max_tokens=16).choices[0].text for _ in range(3)}
    assert len(texts) > 1


def test_same_seed_same_text_in_company(sdk, tools):
    """What else is in the batch does not change an answer."""
    fields = {"temperature": 1.0, "seed": 7, "max_tokens": 24}
    alone = complete(sdk, **fields).choices[0].text

    def other(prompt):
        return complete(sdk, prompt, temperature=1.3, max_tokens=40).choices[0].text

    prompts = ["Once upon a time", "def main():", "Ingredients: flour, " * 20]
    calls = [lambda p=p: other(p) for p in prompts]
    calls.insert(2, lambda: complete(sdk, **fields).choices[0].text)
    assert tools.together(calls)[2] == alone


def test_models_are_listed(sdk):
    (model,) = sdk.models.list().data
    assert model.id == "smollm2-135m-instruct"
    alone = sdk.models.retrieve(model.id)
    assert alone.edge.pop("chat"), "only what is asked for by name tells its template"
    assert alone == model
    assert model.owned_by == "HuggingFaceTB"


def test_default_is_the_only_model(sdk):
    assert complete(sdk, model="default").model == "smollm2-135m-instruct"


def test_tokens_are_those_that_the_model_reads(sdk, daemon):
    def ask(path: str, **fields):
        answer = daemon.post(fields, path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    text = "Grüße: <|im_end|> 日本"
    tokens = ask("/tokenize", content=text, with_pieces=True)["tokens"]
    assert "<|im_end|>" in [one["piece"] for one in tokens]
    ids = [one["id"] for one in tokens]
    assert ask("/detokenize", tokens=ids)["content"] == text
    plain = ask("/tokenize", content=text, parse_special=False)
    assert plain["count"] > len(ids)
    assert ask("/detokenize", tokens=plain["tokens"])["content"] == text

    read = ask("/tokenize", content=PROMPT)["tokens"]
    assert complete(sdk, read).choices[0].text == complete(sdk).choices[0].text
    assert complete(sdk).usage.prompt_tokens == len(read)
    refused = daemon.post({"tokens": [1 << 20]}, "/detokenize")
    assert refused.status_code == 400
    assert "not one of the model's" in refused.text
