"""Tools for models whose template knows none."""

from __future__ import annotations

from typing import Any

from family_templates import FORMATS, written
from msgspec.structs import replace

from edge_rt.core.chat_format import GENERIC, ChatFormat
from edge_rt.models.answers.parts import MadeCall
from edge_rt.models.answers.reader import answer_reader
from edge_rt.routing.prompts import written_for

TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "look"}}]
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "it"}}}
CHAT: list[dict[str, Any]] = [
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]},
    {"role": "tool", "content": "seen", "tool_call_id": "1"},
]


def test_a_system_message_tells_of_the_tools() -> None:
    messages, tools = written_for(GENERIC, CHAT, TOOLS)
    assert tools is None
    assert messages[0]["role"] == "system"
    assert '{"name": "look"}' in messages[0]["content"]
    system = {"role": "system", "content": "Be brief."}
    (told, *rest), _ = written_for(GENERIC, [system, *CHAT], TOOLS)
    assert told["content"].startswith("Be brief.\n\n")
    assert '{"name": "look"}' in told["content"]
    assert rest == messages[1:]


def test_calls_and_results_become_text_that_reads_as_calls() -> None:
    messages, _ = written_for(GENERIC, CHAT, None)
    assert [set(message) for message in messages] == [{"role", "content"}] * 3
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    reader = answer_reader(ChatFormat(GENERIC), {"look": {}})
    parts = [*reader.push(messages[1]["content"]), *reader.finish()]
    assert parts == [MadeCall("look", '{"at": "it"}')] * 2
    assert "seen" in messages[2]["content"]


def test_what_a_template_knows_stays_as_it_is() -> None:
    assert written_for(FORMATS["HERMES"].calls, CHAT, TOOLS) == (CHAT, TOOLS)


def test_arguments_are_text_where_the_template_joins_them_to_text() -> None:
    messages, tools = written_for(FORMATS["DEEPSEEK"].calls, CHAT, TOOLS)
    (first, _) = messages[1]["tool_calls"]
    assert first["function"]["arguments"] == '{"at": "it"}'
    assert CALL["function"]["arguments"] == {"at": "it"}  # type: ignore[index]
    assert tools == TOOLS


def test_a_template_that_shows_calls_but_no_tools_gets_these_in_words() -> None:
    calls = replace(FORMATS["DEEPSEEK_NEW"].calls, told=False)
    messages, tools = written_for(calls, CHAT, TOOLS)
    assert tools is None
    assert '{"name": "look"}' in messages[0]["content"]
    assert written(ChatFormat(calls), ("NAME", {"KEY": "VALUE"})) in messages[0]["content"]
    assert messages[2]["tool_calls"][0]["function"]["arguments"] == '{"at": "it"}'
    assert messages[3] == CHAT[2]


def test_a_template_that_shows_tools_but_no_calls_gets_these_in_the_text() -> None:
    calls = FORMATS["GRANITE"].calls
    messages, tools = written_for(calls, CHAT, TOOLS)
    assert tools == TOOLS
    assert messages[1]["content"] == written(FORMATS["GRANITE"], *[("look", {"at": "it"})] * 2)
    assert messages[2] == CHAT[2]
