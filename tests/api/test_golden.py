"""The bytes of each dialect's answers, as files: `golden/NAME.sse`, with status and headers on top.

Ids and clocks are fixed, so that nothing has to be left out. What was found instead lies in the
test's own folder, to be compared and copied: `pytest --basetemp=FOLDER` says where that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.core.decoding import Made, TokenLogprob
from edge_rt.core.errors import EngineError, Unavailable
from edge_rt.core.requests import Call

FOLDER = Path(__file__).with_name("golden")
ASK = [{"role": "user", "content": "Hi"}]
FUNCTION = {"name": "get_weather", "parameters": {"properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": FUNCTION}]
ANTHROPIC_TOOLS = [{"name": FUNCTION["name"], "input_schema": FUNCTION["parameters"]}]
FLAT = [{"type": "function", **FUNCTION}]
PARIS = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
ROME = PARIS.replace("Paris", "Rome")
THINKS = ChatFormat(GENERIC, ThinkFormat("<think>", "</think>"))
USAGE = {"stream_options": {"include_usage": True}}
SIZES = (3, 1, 9, 5)  # of the pieces that an answer comes in, in turn

CHAT, TEXT, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
MESSAGES = "/v1/messages"
OLLAMA_CHAT, OLLAMA_TEXT = "/api/chat", "/api/generate"


class Case(NamedTuple):
    """A request, and how the engine answers it."""

    path: str
    body: dict
    answer: str | Callable[[Any, Call], list] = "Hello world"  # a text, or the whole script
    thinks: bool = False


def pieces(text: str) -> list[str]:
    """Cut a text into pieces of different lengths."""
    cut: list[str] = []
    at = 0
    while at < len(text):
        size = SIZES[len(cut) % len(SIZES)]
        cut.append(text[at : at + size])
        at += size
    return cut


def says(script: Any, call: Call, text: str, reason: str = "stop") -> list:
    deltas = [script.delta(each, i) for each in pieces(text) for i in range(call.n)]
    *firsts, last = (script.finished(i, reason) for i in range(call.n))
    return [script.started(), *deltas, *firsts, script.cost(), last]


def likely(script: Any, call: Call) -> list:
    """Three tokens with their likeliest alternatives; two of them are no text by themselves."""
    tokens = (b"Hi", b" \xc3", b"\xa9!")
    texts = ("Hi", " ", "\xe9!")
    told = [TokenLogprob(t, -0.5, [(t, -0.5), (b"No", -1.5)]) for t in tokens]
    deltas = [script.delta(text, logprobs=[one]) for text, one in zip(texts, told, strict=True)]
    return [script.started(), *deltas, script.cost(), script.finished(tokens=3)]


def likely_call(script: Any, call: Call) -> list:
    """Thoughts, an answer and a call, with the probability of each token."""
    text = f"<think>hm</think>So: {PARIS}"
    told = [(each, TokenLogprob(each.encode(), -0.25, [])) for each in pieces(text)]
    deltas = [script.delta(each, logprobs=[one]) for each, one in told]
    return [script.started(), *deltas, script.cost(), script.finished(tokens=len(told))]


def cut_off(script: Any, call: Call) -> list:
    return [script.started(), script.delta("Hello"), EngineError("the engine was lost")]


def busy(script: Any, call: Call) -> list:
    later = Unavailable("no memory is free", retry_after_s=2.5, code="memory")
    return [script.started(), script.delta("Hello"), later]


def refused(script: Any, call: Call) -> list:
    return [Unavailable("no memory is free", retry_after_s=2.5, code="memory")]


def short(script: Any, call: Call) -> list:
    """An answer that a limit ends, and whose joules are not known."""
    ended = script.cost(None, why="the answer ends early: its `edge.energy_j` is spent")
    return [*says(script, call, "Hello wor")[:-2], ended, script.finished(reason="length")]


def strange(script: Any, call: Call) -> list:
    return [*says(script, call, "Hello")[:-2], script.cost(), script.finished(reason="error")]


def two_models(script: Any, call: Call) -> list:
    *events, last = says(script, call, "Hello world")
    made = Made(small=2, large=3, switches=1, catch_up=4, accepted=5, rejected=6)
    return [*events, replace(last, made=made)]


def chat(**fields: Any) -> dict:
    return {"messages": ASK, "stream": True, **fields}


def text(**fields: Any) -> dict:
    return {"prompt": "Once", "stream": True, **fields}


def response(**fields: Any) -> dict:
    return {"input": "Hi", "stream": True, **fields}


def message(**fields: Any) -> dict:
    return {"model": "smol", "max_tokens": 9, "messages": ASK, "stream": True, **fields}


def ollama(**fields: Any) -> dict:
    return {"model": "smol:latest", "messages": ASK, **fields}


def generate(**fields: Any) -> dict:
    return {"model": "smol", "prompt": "Hi", **fields}


THOUGHT = "<think>Let me see. </think>\n\nIt is Paris."
CALLS = f"Wait. {PARIS}\n{ROME}"
LOGPROBS = {"logprobs": True, "top_logprobs": 2}
CASES = {
    "chat": Case(CHAT, chat()),
    "chat-usage": Case(CHAT, chat(**USAGE)),
    "chat-several": Case(CHAT, chat(n=2)),
    "chat-several-usage": Case(CHAT, chat(n=2, **USAGE)),
    "chat-tools": Case(CHAT, chat(tools=TOOLS), CALLS),
    "chat-tools-several": Case(CHAT, chat(tools=TOOLS, n=2), CALLS),
    "chat-tools-cut": Case(CHAT, chat(tools=TOOLS), "a <tool"),
    "chat-functions": Case(CHAT, chat(functions=[FUNCTION]), PARIS),
    "chat-thinking": Case(CHAT, chat(), THOUGHT, thinks=True),
    "chat-logprobs": Case(CHAT, chat(**LOGPROBS), likely),
    "chat-logprobs-tools": Case(CHAT, chat(tools=TOOLS, **LOGPROBS), likely_call, thinks=True),
    "chat-limit": Case(CHAT, chat(), short),
    "chat-limit-usage": Case(CHAT, chat(**USAGE), short),
    "chat-two-models": Case(CHAT, chat(), two_models),
    "chat-lost": Case(CHAT, chat(), cut_off),
    "chat-busy": Case(CHAT, chat(), busy),
    "chat-strange-end": Case(CHAT, chat(), strange),
    "chat-refused": Case(CHAT, chat(), refused),
    "chat-warning": Case(CHAT, chat(min_q=0.5)),
    "chat-whole": Case(CHAT, chat(stream=False, n=2)),
    "chat-whole-tools": Case(CHAT, chat(stream=False, tools=TOOLS), CALLS),
    "chat-whole-thinking": Case(CHAT, chat(stream=False), THOUGHT, thinks=True),
    "chat-whole-logprobs": Case(CHAT, chat(stream=False, **LOGPROBS), likely),
    "chat-whole-lost": Case(CHAT, chat(stream=False), cut_off),
    "text": Case(TEXT, text()),
    "text-usage": Case(TEXT, text(**USAGE)),
    "text-several": Case(TEXT, text(n=2, **USAGE)),
    "text-echo": Case(TEXT, text(echo=True)),
    "text-logprobs": Case(TEXT, text(logprobs=2), likely),
    "text-lost": Case(TEXT, text(), cut_off),
    "text-whole": Case(TEXT, text(stream=False, prompt=["Once", "upon"], n=2, echo=True)),
    "text-whole-logprobs": Case(TEXT, text(stream=False, logprobs=2), likely),
    "responses": Case(RESPONSES, response()),
    "responses-tools": Case(RESPONSES, response(tools=FLAT), CALLS),
    "responses-thinking": Case(RESPONSES, response(), THOUGHT, thinks=True),
    "responses-logprobs": Case(RESPONSES, response(top_logprobs=2), likely),
    "responses-limit": Case(RESPONSES, response(max_output_tokens=9), short),
    "responses-lost": Case(RESPONSES, response(), cut_off),
    "responses-refused": Case(RESPONSES, response(), refused),
    "responses-empty": Case(RESPONSES, response(), ""),
    "responses-whole": Case(RESPONSES, response(stream=False, tools=FLAT), CALLS, thinks=True),
    "responses-whole-logprobs": Case(RESPONSES, response(stream=False, top_logprobs=2), likely),
    "messages": Case(MESSAGES, message()),
    "messages-tools": Case(MESSAGES, message(tools=ANTHROPIC_TOOLS), CALLS),
    "messages-thinking": Case(MESSAGES, message(), THOUGHT, thinks=True),
    "messages-limit": Case(MESSAGES, message(), short),
    "messages-lost": Case(MESSAGES, message(), cut_off),
    "messages-refused": Case(MESSAGES, message(), refused),
    "messages-whole": Case(
        MESSAGES, message(stream=False, tools=ANTHROPIC_TOOLS), CALLS, thinks=True
    ),
    "ollama-chat": Case(OLLAMA_CHAT, ollama()),
    "ollama-chat-tools": Case(OLLAMA_CHAT, ollama(tools=TOOLS), CALLS),
    "ollama-chat-thinking": Case(OLLAMA_CHAT, ollama(think=True), THOUGHT, thinks=True),
    "ollama-chat-logprobs": Case(OLLAMA_CHAT, ollama(**LOGPROBS), likely),
    "ollama-chat-limit": Case(OLLAMA_CHAT, ollama(), short),
    "ollama-chat-lost": Case(OLLAMA_CHAT, ollama(), cut_off),
    "ollama-chat-whole": Case(OLLAMA_CHAT, ollama(stream=False, tools=TOOLS), CALLS, thinks=True),
    "ollama-generate": Case(OLLAMA_TEXT, generate()),
    "ollama-generate-thinking": Case(OLLAMA_TEXT, generate(), THOUGHT, thinks=True),
    "ollama-generate-lost": Case(OLLAMA_TEXT, generate(), cut_off),
    "ollama-generate-whole": Case(OLLAMA_TEXT, generate(stream=False)),
    "ollama-raw": Case(OLLAMA_TEXT, generate(raw=True)),
    "ollama-raw-logprobs": Case(OLLAMA_TEXT, generate(raw=True, **LOGPROBS), likely),
    "ollama-load": Case(OLLAMA_CHAT, ollama(messages=[])),
}
CACHED = {
    "cached-chat": Case(CHAT, chat(temperature=0)),
    "cached-chat-tools": Case(CHAT, chat(temperature=0, tools=TOOLS), CALLS),
    "cached-chat-whole": Case(CHAT, chat(temperature=0, stream=False)),
    "cached-text": Case(TEXT, text(temperature=0, n=2, **USAGE)),
    "cached-responses": Case(RESPONSES, response(temperature=0), THOUGHT, thinks=True),
    "cached-ollama-chat": Case(OLLAMA_CHAT, ollama(options={"temperature": 0})),
}


def told(answer: Any) -> bytes:
    """Return an answer as its file has it; the order of headers says nothing."""
    head = [
        f"{answer.status}",
        *(f"{name}: {value}" for name, value in sorted(answer.headers.items())),
    ]
    return "\n".join(head).encode() + b"\n\n" + answer.body


def check(name: str, found: bytes, folder: Path) -> None:
    (folder / f"{name}.sse").write_bytes(found)
    assert found.decode() == (FOLDER / f"{name}.sse").read_bytes().decode()


def scripted(case: Case, service: Any, script: Any) -> None:
    answer = case.answer
    service.format = THINKS if case.thinks else ChatFormat(GENERIC)
    service.script = lambda call: (
        says(script, call, answer) if isinstance(answer, str) else answer(script, call)
    )


def still() -> float:
    return 100.0


HEADERS = {"x-request-id": "golden"}


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_of_an_answer(make_client, service, script, name, tmp_path):
    case = CASES[name]
    scripted(case, service, script)
    client = make_client(monotonic=still)
    check(name, told(client.post(case.path, case.body, headers=HEADERS)), tmp_path)


@pytest.mark.parametrize("name", CACHED)
def test_the_bytes_of_a_kept_answer(make_client, make_cache, service, script, name, tmp_path):
    case = CACHED[name]
    scripted(case, service, script)
    client = make_client(cache=make_cache(), monotonic=still)

    async def answers() -> list[bytes]:
        asked = "POST", case.path, case.body
        return [told(await client.open(*asked, headers=HEADERS).end()) for _ in range(3)]

    first, second, third = asyncio.run(answers())
    assert len(service.calls) == 1
    assert first != second
    assert second == third
    check(name, second, tmp_path)


def test_every_file_belongs_to_a_case():
    assert {path.stem for path in FOLDER.iterdir()} == {*CASES, *CACHED}
