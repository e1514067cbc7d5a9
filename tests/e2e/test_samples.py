"""Samples of the real daemon: made in rounds that share the prompt, judged, one of them told."""

from __future__ import annotations

import os
import shutil
from typing import Any

import httpx
import pytest

PROMPT = "Three animals: a cat, a dog, a"
EVEN = (
    "import json, sys\nanswer = json.load(sys.stdin)['answer']\n"
    "print(len(answer)); sys.exit(len(answer) % 2)"
)
NEVER = {"most": 4, "accept": {"regex": "no such text"}}
FORKS = "import os\nwhile True: os.fork()"


@pytest.fixture(scope="module")
def daemon(make_daemon):
    checkers = {
        name: {"command": ["/usr/bin/python3", "-c", code], "seconds": seconds}
        for name, code, seconds in (("even", EVEN, 20.0), ("forks", FORKS, 1.0))
    }
    daemon = make_daemon(checkers=checkers)
    yield daemon
    daemon.close()


@pytest.fixture
def bubblewrap() -> None:
    if shutil.which("bwrap") is None:
        if os.environ.get("CI"):
            pytest.fail("bwrap is missing: install bubblewrap")
        pytest.skip("needs bubblewrap")


def asked(daemon, samples: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    edge = {} if samples is None else {"edge": {"samples": samples}}
    body = {"prompt": PROMPT, "max_tokens": 24, "temperature": 0.9, "seed": 4}
    answer: httpx.Response = daemon.post(body | edge | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_samples_are_those_of_n_and_the_likeliest_goes_out(daemon) -> None:
    every = asked(daemon, None, n=4, logprobs=0)
    means = [
        sum(choice["logprobs"]["token_logprobs"]) / len(choice["logprobs"]["tokens"])
        for choice in every["choices"]
    ]
    likeliest = every["choices"][means.index(max(means))]["text"]
    best = asked(daemon, None, best_of=4)
    assert [choice["text"] for choice in best["choices"]] == [likeliest]
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [best["usage"][name] for name in counts] == [every["usage"][name] for name in counts]
    assert asked(daemon, {"most": 4})["choices"][0]["text"] == likeliest


def test_a_later_round_finds_the_prompt_read(daemon) -> None:
    before = daemon.http.get("/edge/v1/status").json()["engine"]
    document = asked(daemon, NEVER, prompt="Once " * 60)
    after = daemon.http.get("/edge/v1/status").json()["engine"]
    told = document["edge"]["samples"]
    assert (told["made"], told["accepted"]) == (4, False)
    assert [one["passed"] for one in told["samples"]] == [False] * 4
    assert after["steps"] - before["steps"] < 100, "3 rounds of 24 passes, and the prompt once"


def test_the_greedy_answer_is_the_first_and_a_vote_ends_early(daemon) -> None:
    greedy = asked(daemon, None, stop=",", temperature=0)["choices"][0]["text"]
    document = asked(daemon, {"most": 8, "vote": {"regex": "(?s)^.?"}}, temperature=0)
    told = document["edge"]["samples"]
    assert told["made"] + told["saved"] == 8
    one = asked(daemon, {"most": 2, "accept": {"regex": "[a-z]"}}, stop=",", temperature=0)
    assert one["choices"][0]["text"] == greedy
    assert one["edge"]["samples"]["made"] == 1


def test_a_checker_judges_in_its_sandbox(daemon, bubblewrap) -> None:
    document = asked(daemon, {"most": 8, "accept": {"checker": "even"}}, stop=",")
    told = document["edge"]["samples"]
    chosen = told["samples"][told["chosen"][0]]
    text = document["choices"][0]["text"]
    assert chosen["why"] == str(len(text))
    assert chosen["passed"] == (len(text) % 2 == 0)
    assert all(one["passed"] == (int(one["why"]) % 2 == 0) for one in told["samples"])


def test_a_checker_that_forks_for_ever_disturbs_nobody(daemon, bubblewrap) -> None:
    document = asked(daemon, {"most": 1, "accept": {"checker": "forks"}}, stop=",")
    [sample] = document["edge"]["samples"]["samples"]
    assert sample["passed"] is None
    assert sample["why"]
    assert daemon.complete("The sky is", max_tokens=4)


def test_where_no_sample_is_accepted_the_larger_model_answers_by_lookup(daemon) -> None:
    """That here is the same model again."""
    larger = {"model": daemon.model, "most": 2}
    body = {"messages": [{"role": "user", "content": "Say A A A A A A."}], "max_tokens": 24}
    edge = {"samples": {**NEVER, "most": 2, "larger": larger}}
    answer = daemon.post({**body, "edge": edge}, "/v1/chat/completions").json()
    told = answer["edge"]["samples"]
    assert (told["made"], told["saved"], told["accepted"]) == (4, 0, False)
    assert told["chosen"][0] >= 2
    assert answer["edge"]["mode"] == "lookup"
    assert answer["usage"]["completion_tokens"] == sum(one["tokens"] for one in told["samples"])
    with daemon.stream(path="/v1/chat/completions", **body, edge=edge) as documents:
        assert [d for d in documents if d.get("choices")][-1]["edge"]["samples"]["made"] == 4
