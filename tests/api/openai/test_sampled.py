"""Of several samples one goes out: the verified one, the vote's, or the likeliest."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge_rt.config.schema import AnswerChecker
from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.decoding import CheckCost, CheckerSpec, TokenLogprob
from edge_rt.core.errors import Unavailable
from edge_rt.core.requests import Call, Event
from edge_rt.generation.samples.sandbox import Ending, Sandbox

JSON = {"response_format": {"type": "json_object"}}


class Sayings:
    """Plays a list of texts: each call takes as many as it wants answers."""

    def __init__(self, script, *texts: str, energy_j: float | None = 2.0, why: str | None = None):
        self.script, self.texts = script, list(texts)
        self.cost = script.cost(energy_j, why=why)

    def __call__(self, call: Call) -> list[Event]:
        taken = [self.texts.pop(0) for _ in range(call.n)]
        events = [self.script.started()]
        for index, text in enumerate(taken):
            likely = TokenLogprob(text.encode(), -1.0 / (1 + len(text)), [])
            events.append(self.script.delta(text, index, logprobs=[likely]))
        *firsts, last = (self.script.finished(index) for index in range(call.n))
        return [*events, *firsts, self.cost, last]


@pytest.fixture
def says(service, script):
    def play(*texts: str, **cost: Any) -> None:
        service.script = Sayings(script, *texts, **cost)

    return play


def asked(client, samples: dict[str, Any], **fields: Any) -> dict[str, Any]:
    edge = {"samples": samples, **fields.pop("edge", {})}
    response = client.chat(**{"temperature": 0.7, **fields, "edge": edge})
    assert response.status == 200, response.json()
    return response.json()


def text_of(document: dict[str, Any]) -> str:
    [choice] = document["choices"]
    return choice["message"]["content"]


def rounds(service) -> list[int]:
    return [call.n for call in service.calls]


def test_the_first_sample_that_is_accepted_ends_it(client, service, says) -> None:
    says("no", "nein", '{"a": 1}', "never", "never")
    document = asked(client, {"most": 8, "accept": {"schema": True}})
    assert text_of(document) == '{"a": 1}'
    told = document["edge"]["samples"]
    assert (told["made"], told["saved"], told["chosen"]) == (4, 4, [2])
    assert (told["accepted"], told["stopped"]) == (True, "accepted")
    assert [one["passed"] for one in told["samples"]] == [False, False, True, False]
    assert rounds(service) == [1, 1, 2], "each round as many again"


def test_a_round_of_samples_is_one_call_that_shares_the_prompt(client, service, says) -> None:
    says(*"abcd", energy_j=6.0)
    document = asked(client, {"most": 4})
    assert rounds(service) == [4]
    assert document["usage"]["prompt_tokens"] == 10, "the prompt counts once"
    assert document["usage"]["completion_tokens"] == 4, "all samples count"
    assert [one["energy_j"] for one in document["edge"]["samples"]["samples"]] == [1.5] * 4
    assert document["edge"]["energy_j"] == 6.0


def test_without_verifier_and_vote_the_likeliest_goes_out(client, says) -> None:
    says("short", "the longest is likeliest here", "middling")
    document = asked(client, {"most": 3})
    assert text_of(document) == "the longest is likeliest here"
    assert document["edge"]["samples"]["chosen"] == [1]


def test_under_a_check_the_largest_weight_goes_out(make_client, service, script) -> None:
    """The likeliest of what was led by a checker may be where the model would hardly have gone."""
    client = make_client(checkers={"sql": CheckerSpec("sql", ("/usr/bin/sql",), 1.0, 1 << 28)})

    def play(call: Call) -> list[Any]:
        likely = [TokenLogprob(b"x", logprob, []) for logprob in (-0.1, -2.0)]
        told = [script.delta(text, i, logprobs=[likely[i]]) for i, text in enumerate("ab")]
        costs = [CheckCost(1, 1, 0.1, weight) for weight in (-9.0, -3.0)]
        first, last = (replace(script.finished(i), check=costs[i]) for i in range(2))
        return [script.started(), *told, first, script.cost(), last]

    service.script = play
    document = asked(client, {"most": 2}, edge={"check": "sql"})
    assert text_of(document) == "b"
    assert document["edge"]["check"]["log_weights"] == [-9.0, -3.0]


@pytest.mark.parametrize(
    ("path", "body", "read"),
    [
        (
            "/api/chat",
            {"messages": [{"role": "user", "content": "?"}]},
            lambda d: d["message"]["content"],
        ),
        ("/api/generate", {"prompt": "?"}, lambda d: d["response"]),
        ("/v1/responses", {"input": "?"}, lambda d: d["output"][0]["content"][0]["text"]),
    ],
)
def test_other_dialects_take_samples_too(client, says, path, body, read) -> None:
    says("no", '{"c": 3}')
    edge = {"samples": {"most": 2, "accept": {"schema": True}}}
    response = client.post(path, {"model": "smol", "stream": False, "edge": edge, **body})
    assert response.status == 200, response.json()
    assert read(response.json()) == '{"c": 3}'
    assert response.json()["edge"]["samples"]["chosen"] == [1]


def test_a_vote_ends_when_its_leader_cannot_be_overtaken(client, service, says) -> None:
    says(*["It is 5.", "So 5.0", "5", "5"] * 2)
    document = asked(client, {"most": 8, "vote": "number"})
    told = document["edge"]["samples"]
    assert told["made"] < 8
    assert told["saved"] == 8 - told["made"]
    assert {one["vote"] for one in told["samples"]} == {"5"}
    assert told["accepted"]


def test_samples_that_disagree_are_all_made(client, says) -> None:
    says("1", "2", "3", "2")
    told = asked(client, {"most": 4, "vote": "number", "stop": 0.99})
    assert text_of(told) == "2"
    assert told["edge"]["samples"]["made"] == 4


def test_a_vote_for_what_an_expression_takes_out(client, says) -> None:
    says("color: red", "color: blue", "Color? color: red")
    vote = {"regex": "color: ([a-z]+)"}
    document = asked(client, {"most": 3, "vote": vote, "agree": 2})
    told = [one["vote"] for one in document["edge"]["samples"]["samples"]]
    assert told == ["red", "blue", "red"]
    assert "red" in text_of(document)


def test_only_accepted_samples_vote(client, says) -> None:
    says("1", "1", "2!")
    document = asked(client, {"most": 3, "vote": "number", "accept": {"regex": "!$"}})
    assert text_of(document) == "2!"


def test_at_temperature_0_the_first_is_the_likeliest_answer_and_alone(
    client, service, says
) -> None:
    says(*"abcd")
    samples = {"most": 4, "accept": {"regex": "z"}, "temperature": 0.6}
    asked(client, samples, temperature=0, seed=7)
    how = [(call.sampling.temperature, call.sampling.seed) for call in service.calls]
    assert how == [(0.0, 7), (0.6, 8), (0.6, 9)]


def test_calls_that_agree_are_the_answer(client, service, script, says) -> None:
    call = '{"name": "f", "arguments": {"a": %s, "b": "x"}}'
    says(call % "1", call % "1.0")
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    samples = {"most": 2, "vote": "calls", "agree": 2, "larger": {"model": "other-1.5b@q4"}}
    service.format = ChatFormat(service.format.calls)
    document = asked(client, samples, tools=[tool])
    assert document["choices"][0]["finish_reason"] == "tool_calls"
    assert document["edge"]["samples"]["accepted"]
    assert rounds(service) == [2], "the larger model was not asked"


def test_calls_that_differ_go_to_the_larger_model(client, service, says) -> None:
    call = '{"name": "f", "arguments": {"a": %s}}'
    says(call % "1", call % "2", call % "3")
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    samples = {"most": 2, "vote": "calls", "agree": 2, "larger": {"model": "other-1.5b@q4"}}
    document = asked(client, samples, tools=[tool], model="smol")
    [told] = document["choices"][0]["message"]["tool_calls"]
    assert told["function"]["arguments"] == '{"a": 3}'
    assert [one.plan.model for one in service.calls] == ["smol", "other-1.5b@q4"]
    assert (document["model"], document["edge"]["model"]) == ("other-1.5b@q4",) * 2
    assert service.wishes[-1].mode.name == "lookup"
    assert document["edge"]["samples"]["saved"] == 0


def test_a_larger_model_that_does_not_answer_leaves_the_best_sample(
    client, service, script
) -> None:
    def play(call: Call) -> list[Any]:
        if call.plan.model != "smol":
            return [Unavailable("too hot", retry_after_s=1.0)]
        return Sayings(script, *["no"] * call.n)(call)

    service.script = play
    samples = {"most": 1, "accept": {"schema": True}, "larger": {"model": "other-1.5b@q4"}}
    document = asked(client, samples, model="smol")
    assert text_of(document) == "no"
    assert "the larger model did not answer: too hot" in document["edge"]["warnings"]
    assert document["edge"]["samples"]["accepted"] is False


def test_no_sample_is_begun_that_the_requests_joules_do_not_reach(client, service, says) -> None:
    says(*"abcdefgh", energy_j=4.0)
    samples = {"most": 8, "accept": {"regex": "z"}}
    document = asked(client, samples, edge={"energy_j": 9.0})
    assert document["edge"]["samples"]["stopped"] == "limit"
    assert [call.energy_j for call in service.calls] == [9.0, 5.0], "then 1 J is left, of 4"


def test_a_sample_that_gains_less_than_it_takes_is_not_made(client, service, says) -> None:
    says(*"abcdefgh", energy_j=4.0)
    samples = {"most": 8, "accept": {"regex": "z"}, "worth_j": 10.0}
    document = asked(client, samples)
    assert document["edge"]["samples"]["stopped"] == "worth_j"
    assert document["edge"]["samples"]["made"] == 1, "1/3 of 10 J is less than 4 J"


def test_joules_that_are_not_known_are_null(client, says) -> None:
    says("a", "b", energy_j=None)
    told = asked(client, {"most": 2, "worth_j": 1.0})["edge"]["samples"]["samples"]
    assert [one["energy_j"] for one in told] == [None, None]


def test_a_stream_tells_the_chosen_one_alone(client, says) -> None:
    says("no", '{"b": 2}')
    edge = {"samples": {"most": 2, "accept": {"schema": True}}}
    *chunks, done = client.chat(stream=True, temperature=0.7, edge=edge).events()
    said = [c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]]
    assert ("".join(said), done) == ('{"b": 2}', "[DONE]")
    assert chunks[-1]["edge"]["samples"]["chosen"] == [1]


@pytest.mark.parametrize("stream", [False, True])
def test_best_of_gives_the_likeliest_of_each_prompt(client, service, says, stream) -> None:
    says("a", "abc", "ab", "x", "xy", "xyz")
    response = client.complete(prompt=["p", "q"], best_of=3, n=2, stream=stream, temperature=1)
    texts = [""] * 4
    documents = response.events()[:-1] if stream else [response.json()]
    for choice in (one for document in documents for one in document["choices"]):
        texts[choice["index"]] += choice["text"]
    assert texts == ["abc", "ab", "xyz", "xy"]
    assert rounds(service) == [3, 3]
    assert "samples" in documents[-1]["edge"]


def test_answers_of_samples_are_not_kept(make_client, make_cache, service, says) -> None:
    client = make_client(cache=make_cache())
    for _ in range(2):
        says("a", "b")
        asked(client, {"most": 2}, seed=1)
    assert len(service.calls) == 2


class Judging(Sandbox):
    """A sandbox in which programs end as they are told to."""

    def __init__(self, *endings: Ending) -> None:
        super().__init__()
        self.endings, self.inputs = list(endings), list[str]()

    async def run(self, checker: AnswerChecker, text: str) -> Ending:
        self.inputs.append(text)
        return self.endings.pop(0)


def test_a_checker_is_given_prompt_and_answer_and_its_word_is_told(make_client, says) -> None:
    judging = Judging(
        Ending(0), Ending(1, "no such table"), Ending(None, "took too long"), Ending(0)
    )
    checker = AnswerChecker(command=["/usr/bin/sql"])
    client = make_client(judges={"sql": checker}, sandbox=judging)
    says("select a", "select b", "select c", "")
    document = asked(client, {"most": 3, "accept": {"checker": "sql"}})
    told = document["edge"]["samples"]
    assert [one["passed"] for one in told["samples"]] == [False, None, True]
    assert [one["why"] for one in told["samples"]][:2] == ["no such table", "took too long"]
    assert '"answer": "select a"' in judging.inputs[1]
    assert '"prompt": "<rendered>"' in judging.inputs[1]


@pytest.mark.parametrize(
    ("samples", "fields", "param"),
    [
        ({"most": 0}, {}, "edge.samples.most"),
        ({"most": 9}, {}, "edge.samples.most"),
        ({"many": 3}, {}, "edge.samples.many"),
        ({"vote": "words"}, {}, "edge.samples.vote"),
        ({"vote": {"regex": "("}}, {}, "edge.samples.vote.regex"),
        ({"accept": {"regex": "(" * 5}}, {}, "edge.samples.accept.regex"),
        ({"accept": {"checker": "sql"}}, {}, "edge.samples.accept.checker"),
        ({"agree": 2}, {}, "edge.samples.agree"),
        ({"most": 2, "vote": "number", "agree": 3}, {}, "edge.samples.agree"),
        ({"larger": {"model": "none"}}, {}, "model"),
        ({}, {"n": 2}, "n"),
        ({}, {"edge": {"cache": "use"}}, "edge.cache"),
    ],
)
def test_what_cannot_be_is_refused(client, service, samples, fields, param) -> None:
    edge = {"samples": samples, **fields.pop("edge", {})}
    response = client.chat(**fields, edge=edge)
    assert response.status in (400, 404)
    assert response.json()["error"]["param"] == param
    assert service.calls == []


def test_without_a_sandbox_a_checker_is_refused_with_the_reason(
    make_client, service, tmp_path
) -> None:
    checker = AnswerChecker(command=["/bin/true"])
    sandbox = Sandbox(tmp_path / "no.sock", bwrap=str(tmp_path / "no-bwrap"))
    client = make_client(judges={"sql": checker}, sandbox=sandbox)
    response = client.chat(edge={"samples": {"accept": {"checker": "sql"}}})
    error = response.json()["error"]
    assert (response.status, error["code"]) == (400, "no_sandbox")
    assert "bubblewrap" in error["message"]
    assert service.calls == []


def test_samples_and_fitting_exclude_each_other(client) -> None:
    for path, body in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/completions", {"prompt": "a", "best_of": 2}),
    ):
        edge: dict[str, Any] = {"fit": True}
        edge |= {} if "best_of" in body else {"samples": {"most": 4}}
        response = client.post(path, {**body, "edge": edge, "max_tokens": 100})
        assert response.status == 400
        assert response.json()["error"]["param"] == "edge.fit"


def test_several_prompts_have_no_judged_samples(client) -> None:
    edge = {"samples": {"accept": {"regex": "x"}}}
    response = client.post("/v1/completions", {"prompt": ["a", "b"], "edge": edge})
    assert response.status == 400
    assert response.json()["error"]["param"] == "prompt"


def test_an_error_in_a_later_round_keeps_what_was_made(client, service, says) -> None:
    says("no", "yes", "never")
    first = service.script

    def once(call: Call) -> list[Any]:
        return first(call) if len(service.calls) == 1 else [Unavailable("full", retry_after_s=1.0)]

    service.script = once
    document = asked(client, {"most": 4, "accept": {"regex": "yes"}})
    assert text_of(document) == "no"
    told = document["edge"]["samples"]
    assert (told["made"], told["accepted"], told["stopped"]) == (1, False, "limit")
    assert "full" in document["edge"]["warnings"][0]


def test_votes_are_compared_whole_and_told_short(client, says) -> None:
    same = "a" * 250
    says(f"{same}1", f"{same}2", f"{same}2")
    vote = {"regex": "a+[12]"}
    document = asked(client, {"most": 3, "vote": vote, "agree": 2})
    assert text_of(document).endswith("2")
    assert {len(one["vote"]) for one in document["edge"]["samples"]["samples"]} == {200}
