"""Answers of the real daemon that end within their tokens, seconds and joules."""

from __future__ import annotations

import re
from typing import Any

import pytest

FINAL = {"before": "#### ", "regex": "[0-9]{1,3}"}
ASK = "A pen costs 3 coins, and a book costs 4 times as much. What do both cost? Reason at length."


def asked(daemon: Any, edge: dict[str, Any], **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": ASK}]
    body = {"model": daemon.model, "messages": messages, "temperature": 0} | fields
    answer = daemon.http.post("/v1/chat/completions", json={**body, "edge": edge}, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("most", [6, 40])
@pytest.mark.parametrize("fit", [True, "untold"])
def test_the_last_tokens_are_the_final_answer(daemon: Any, most: int, fit: bool | str) -> None:
    answer = asked(daemon, {"fit": fit, "final": FINAL}, max_tokens=most)
    text = answer["choices"][0]["message"]["content"]
    assert re.search(r"#### [0-9]{1,3}\s?\Z", text), text
    assert answer["usage"]["completion_tokens"] <= most
    assert answer["edge"]["ended"][0] in ("closed", "complete")


def test_a_final_answer_ends_it_without_a_limit_too(daemon: Any) -> None:
    answer = asked(daemon, {"final": {"before": " ", "regex": "[a-z]{1,9}"}}, max_tokens=60)
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert re.fullmatch(r"\S+ [a-z]{1,9}", choice["message"]["content"])
    assert "ended" not in answer["edge"]


def test_prose_is_cut_behind_a_sentence(daemon: Any) -> None:
    answer = asked(daemon, {"fit": "untold"}, max_tokens=60)
    choice, (ended,) = answer["choices"][0], answer["edge"]["ended"]
    assert ended in ("sentence", "complete")
    assert re.search(r"[.!?\n]\s*\Z", choice["message"]["content"])


def test_seconds_become_tokens(daemon: Any) -> None:
    """The prompt's own seconds are predicted, too, so that less is left for the answer."""
    long = asked(daemon, {"fit": "untold", "latency_s": 60.0}, max_tokens=200)
    short = asked(daemon, {"fit": "untold", "latency_s": 3.0}, max_tokens=200)
    assert short["usage"]["completion_tokens"] <= long["usage"]["completion_tokens"]
    assert short["edge"]["ended"]
