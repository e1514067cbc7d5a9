"""What is recorded of samples, and what each way of choosing would have answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from evallib.asker import Reply
from evallib.intervals import Bootstrap
from evallib.journal import Journal
from evallib.record import Key
from evallib.rounds import Sampling, Work
from evallib.samples import problems
from evallib.samples.problems import Calls, Problem, examples, hidden_tests, verified
from evallib.samples.record import LARGE, SAMPLES, SMALL, Drawn, Recorder, Said, sources
from evallib.samples.replay import Passes, Question, report, rivals, sampled, stopped
from evallib.task import Item

from edge_rt.generation.samples.rule import Rule

PROMPT = '''def double(x: int) -> int:
    """Double a number.
    >>> double(2)
    4
    double(3) => 6
    double(n) == n + n, if n is even.
    """
'''
TEST = """
def check(candidate):
    assert candidate(2) == 4
    assert candidate(5) == 10
"""
PROBLEM = Problem(PROMPT, "double", TEST)
FUNCTION = {
    "name": "f",
    "parameters": {"type": "dict", "properties": {"a": {"type": "float"}, "b": {"type": "string"}}},
}
ROW = {
    "id": "one",
    "question": [[{"role": "user", "content": "Call f."}]],
    "function": [FUNCTION],
    "truth": [{"f": {"a": [1.5, 2], "b": ["x y", ""]}}],
}
SLOW, FAST = Passes({1: 1.0, 2: 1.0, 4: 2.0}, 0.5), Passes({1: 0.25, 2: 0.375, 4: 0.5}, 0.0)


def said(
    correct: bool, passed: bool | None = None, vote: str | None = None, tokens: int = 8
) -> Said:
    return Said("", tokens, correct, vote, passed)


def drawn(way: str, *answers: Said, item: str = "1", task: str = "humaneval", **more: Any) -> Drawn:
    key = Key(task, item, "model", "{}", way, "word")
    tokens = sum(answer.tokens for answer in answers)
    return Drawn(key=key, way=way, answers=answers, prompt_tokens=10, tokens=tokens, **more)


def test_examples_are_those_that_a_program_can_hold_against_a_function() -> None:
    assert list(examples(PROBLEM)) == [("double(2)", "4"), ("double(3)", "6")]


def test_hidden_tests_are_those_that_no_example_shows() -> None:
    assert "candidate(5)" in hidden_tests(PROBLEM)
    assert "candidate(2)" not in hidden_tests(PROBLEM)


@pytest.mark.parametrize(
    ("body", "passed", "correct"),
    [
        ("return 2 * x", True, True),
        ("return {2: 4, 3: 6}[x]", True, False),
        ("return x * x - x + 2", False, False),
    ],
)
def test_an_answer_is_checked_by_the_examples_and_right_by_the_rest(
    body: str, passed: bool, correct: bool
) -> None:
    task = problems.HumanEval()
    answer = {"content": f"```python\ndef double(x):\n    {body}\n```"}
    found = verified(task, Item("1", "", PROBLEM), answer)
    assert (found.passed, found.correct) == (passed, correct)


@pytest.mark.parametrize(
    ("name", "arguments", "right"),
    [
        ("f", {"a": 1.5, "b": "X-Y"}, True),
        ("f", {"a": 2}, True),
        ("f", {"a": 3}, False),
        ("f", {"b": "x y"}, False),
        ("f", {"a": 2, "c": 1}, False),
        ("g", {"a": 2}, False),
    ],
)
def test_a_call_is_right_with_values_that_are_allowed(
    name: str, arguments: dict[str, Any], right: bool
) -> None:
    task = Calls()
    item = task.item(0, ROW)
    assert item.reference[0][0]["function"]["parameters"]["properties"]["a"]["type"] == "number"
    call = {"function": {"name": name, "arguments": json.dumps(arguments)}}
    found = verified(task, item, {"content": None, "tool_calls": [call]})
    assert found.correct is right
    again = {"function": {"name": name, "arguments": json.dumps(dict(reversed(arguments.items())))}}
    assert found.vote == verified(task, item, {"tool_calls": [again]}).vote
    assert not verified(task, item, {"content": "none"}).correct


def test_answers_share_passes_as_long_as_they_go_on() -> None:
    assert FAST.round_s([8]) == 2.0
    assert FAST.round_s([4, 8]) == 4 * 0.375 + 4 * 0.25
    lookup = drawn("x", said(True, tokens=8), accepted_tokens=4, rejected_tokens=4)
    assert SLOW.alone_s(lookup) == 4 * 1.5, "4 passes of 3 rows"


def test_a_sample_that_passes_saves_the_large_model_and_one_that_fails_does_not() -> None:
    large = drawn(LARGE, said(True))
    lucky = Question(drawn(SMALL, said(True, True)), drawn(SAMPLES, said(False, False)), large)
    rule = Rule(2, verified=True)
    assert sampled(lucky, rule, FAST, SLOW) == (True, 2.0, 1)
    unlucky = Question(drawn(SMALL, said(False, False)), drawn(SAMPLES, said(False, False)), large)
    assert sampled(unlucky, rule, FAST, SLOW) == (True, 2.0 + 2.0 + 5.0 + 8.0, 2)


def test_all_samples_take_their_majority() -> None:
    votes = [said(False, vote="a"), said(True, vote="b"), said(True, vote="b")]
    one = Question(drawn(SMALL, votes[0]), drawn(SAMPLES, *votes[1:]), drawn(LARGE, said(False)))
    ways = rivals(FAST, SLOW)
    assert ways["all samples"](one)[::2] == (True, 3)
    assert ways["small"](one)[::2] == (False, 1)
    assert ways["large"](one) == (False, 13.0, 0)


def test_a_vote_of_one_mind_is_stopped_and_its_winner_is_that_of_all() -> None:
    found = stopped([said(True, vote="5")] * 10, Rule(10, votes=True), seed=1)
    assert found["saved"] >= 0.5
    assert (found["agree"], found["right"]) == (1.0, 1.0)
    split = [said(vote == "a", vote=vote) for vote in "aaaaabbbbb"]
    sure = stopped(split, Rule(10, votes=True, stop=1.0), seed=1)
    assert sure["agree"] == 1.0, "it stops when the winner is certain"
    assert sure["saved"] < 0.2


def test_the_report_holds_the_figures_and_a_row_for_each_way(tmp_path) -> None:
    journal = Journal(tmp_path / "a.jsonl", Drawn)
    items = [Item(str(n), "", None) for n in range(4)]
    for item in items:
        lucky = item.id in "01"
        journal.add(drawn(SMALL, said(lucky, lucky), item=item.id))
        journal.add(drawn(SAMPLES, *[said(False, False)] * 4, item=item.id))
        journal.add(drawn(LARGE, said(item.id == "3"), item=item.id))
        votes = [said(True, vote="5")] * 10
        journal.add(drawn(SAMPLES, *votes, item=item.id, task="svamp"))
    works = [Work(problems.TASKS[name](), items) for name in ("humaneval", "svamp")]
    found = report(journal, works, Bootstrap())
    assert found["samples_gain"]["value"] == 0.5
    assert found["samples_joules"]["n"] == 4
    rows = found["tables"]["humaneval, large of F16"]
    assert {"large", "large by lookup", "small", "first sample", "all samples"} < set(rows)
    assert rows["checked samples"]["accuracy"]["value"] == 0.75
    assert found["stop_agree"]["value"] == 1.0
    assert found["stop_saved"] >= 0.5
    journal.close()


class Server:
    """Answers everything with the same choices, and notes what it was asked."""

    def __init__(self, *choices: dict[str, Any]) -> None:
        self.choices, self.bodies = choices, list[dict[str, Any]]()

    async def ask(self, body: dict[str, Any]) -> Reply:
        self.bodies.append(body)
        edge = {"accepted_tokens": 3}
        return Reply("", "stop", 0.0, 1.0, 7, 0, 5, "print", edge, choices=self.choices)


def test_samples_of_one_request_are_kept_with_the_tokens_of_each(tmp_path) -> None:
    call = {"function": {"name": "f", "arguments": '{"a": 2}'}}
    choices = [
        {"message": {"content": None, "tool_calls": [call]}, "logprobs": {"content": [{}] * n}}
        for n in (2, 3)
    ]
    server, journal = Server(*choices), Journal(tmp_path / "a.jsonl", Drawn)
    ways = sources("bfcl", "large", "small", most=2, temperature=0.8)
    item = Calls().item(0, ROW)
    recorder = Recorder(server, journal, ways, Sampling(), lambda share, what: None)
    for _ in range(2):  # what is there is not asked again
        asyncio.run(recorder.run([Work(Calls(), [item])]))
    greetings = [body for body in server.bodies if "n" not in body]
    asked = [body for body in server.bodies if "n" in body]
    assert len(greetings) == 4, "two models, met twice"
    assert [(body["model"], body["n"], body["temperature"]) for body in asked] == [
        ("small", 1, 0.0),
        ("small", 2, 0.8),
        ("large", 1, 0.0),
    ]
    assert all(body["tools"][0]["function"]["name"] == "f" for body in asked)
    kept = {record.way: record for record in journal}
    assert [said.tokens for said in kept[SAMPLES].answers] == [2, 3]
    assert all(said.correct for record in journal for said in record.answers)
    assert kept[SMALL].accepted_tokens == 3
    journal.close()
