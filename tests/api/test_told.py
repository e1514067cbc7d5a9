"""A kept answer is made into a document once, and told to the same request again."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

import pytest

from edge_rt.api.openai.answers import Dialect, TextDialect
from edge_rt.api.openai.chat_answers import ChatDialect, call_id
from edge_rt.api.run import LONGEST

BODY = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
CHAT, TEXTS = "/v1/chat/completions", "/v1/completions"
TOOLS = [{"type": "function", "function": {"name": "get_time"}}]
NOW = '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'
OWN = ("id", "created", "edge")  # of each answer
CHANGING = ("cache_age_s", "latency_s", "warnings")  # of its `edge`
HEADERS = {"x-request-id", "content-length", "x-edge-cache-age-s", "x-edge-latency-s"}


@pytest.fixture
def now() -> list[float]:
    """Unix seconds, which also stand for those of the monotonic clock."""
    return [1_800_000_000.5]


@pytest.fixture
def cached(make_client: Any, make_cache: Any, now: list[float]) -> Any:
    clock, numbers = lambda: now[0], count()
    given = {"clock": clock, "monotonic": clock, "new_id": lambda: str(next(numbers))}
    return make_client(cache=make_cache(clock=clock), **given)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Dialect]:
    """The dialects that made a document, in turn."""
    found: list[Dialect] = []
    for kind in (ChatDialect, TextDialect):

        def noted(self: Any, *given: Any, whole: Any = kind.whole) -> Any:
            found.append(self)
            return whole(self, *given)

        monkeypatch.setattr(kind, "whole", noted)
    return found


def less(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: document[name] for name in document if name not in names}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, BODY | {"n": 2, "logprobs": True}),
        (TEXTS, {"prompt": ["a", "b"], "echo": True, "temperature": 0}),
    ],
)
def test_a_document_is_made_once_and_only_its_own_fields_change(
    cached: Any, made: list[Dialect], path: str, body: dict[str, Any]
) -> None:
    fresh, first, *others = [cached.post(path, body) for _ in range(4)]
    assert len(made) == 2
    for one in others:
        assert less(one.json(), *OWN) == less(fresh.json(), *OWN)
        assert one.json().keys() == first.json().keys()
        assert less(one.json()["edge"], *CHANGING) == less(first.json()["edge"], *CHANGING)
        assert less(one.headers, *HEADERS) == less(first.headers, *HEADERS)
        assert one.headers.keys() == first.headers.keys()
    assert len({one.json()["id"] for one in (fresh, first, *others)}) == 4


def test_what_is_told_of_the_moment_is_of_each_moment(
    cached: Any, service: Any, now: list[float]
) -> None:
    made_s = now[0]
    cached.post(CHAT, BODY)

    def late(seconds: float, warnings: list[str]) -> list[str]:
        """Be asked for warnings, for so long."""
        now[0] += seconds
        return warnings

    for seconds, warnings in ((1.5, ["It is hot."]), (2.0, []), (0.25, ["It is hot."]), (4.0, [])):
        service.warnings = partial(late, seconds, warnings)
        response = cached.post(CHAT, BODY)
        document = response.json()
        assert document["created"] == int(now[0])
        for name, figure in (("cache_age_s", now[0] - made_s), ("latency_s", seconds)):
            assert document["edge"][name] == figure
            assert response.headers[f"x-edge-{name.replace('_', '-')}"] == str(figure)
        assert service.repeats[-1].seconds == seconds
        assert document["edge"].get("warnings", []) == warnings
        assert ("x-edge-warning" in response.headers) == bool(warnings)


def test_each_time_is_booked_with_the_id_of_its_answer(cached: Any, service: Any) -> None:
    ids = [cached.post(CHAT, BODY).json()["id"] for _ in range(4)]
    assert [one.answer_id for one in service.repeats] == ids[1:]
    assert len({(one.prompt_tokens, one.completion_tokens) for one in service.repeats}) == 1


def test_calls_have_the_ids_of_their_own_answer(cached: Any, service: Any, script: Any) -> None:
    service.script = lambda call: [
        script.started(),
        script.delta(NOW),
        script.cost(),
        script.finished(),
    ]
    documents = [cached.post(CHAT, BODY | {"tools": TOOLS}).json() for _ in range(4)]
    for document in documents:
        (call,) = document["choices"][0]["message"]["tool_calls"]
        assert call["id"] == call_id(document["id"], 0, 0)
    assert documents[-1]["edge"]["cache"] == "exact"


@pytest.mark.parametrize(("size", "times"), [(LONGEST // 2, 2), (LONGEST, 4)])
def test_long_documents_are_made_each_time(
    cached: Any, service: Any, script: Any, made: list[Dialect], size: int, times: int
) -> None:
    service.script = lambda call: [
        script.started(),
        script.delta("x" * size),
        script.cost(),
        script.finished(),
    ]
    for _ in range(4):
        document = cached.post(CHAT, BODY).json()
        assert document["choices"][0]["message"]["content"] == "x" * size
    assert len(made) == times


def test_an_answer_that_took_the_place_of_another_one_is_told(
    cached: Any, service: Any, script: Any
) -> None:
    def said(**edge: Any) -> str:
        document = cached.post(CHAT, BODY | ({"edge": edge} if edge else {})).json()
        return document["choices"][0]["message"]["content"]

    for text in ("old", "new"):
        service.script = lambda call, text=text: [
            script.started(),
            script.delta(text),
            script.cost(),
            script.finished(),
        ]
        assert said(cache="refresh") == text
        assert [said(), said(), said()] == [text] * 3
