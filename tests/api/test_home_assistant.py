"""Home Assistant's client of OpenAI-compatible servers, by its rules: what it makes of our streams.

It reads the first call of a chunk and no other, nothing of a chunk that has a `finish_reason`, and
no content once a call has begun. A call begins with its id and name; arguments may follow.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

CALLS = (
    '<tool_call>\n{"name": "turn_on", "arguments": {"room": "hall"}}\n</tool_call>',
    '<tool_call>\n{"name": "turn_off", "arguments": {"room": "bath"}}\n</tool_call>',
)
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("turn_on", "turn_off")
]


@dataclass
class Heard:
    """What it has read of one answer."""

    content: str = ""
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    reason: str | None = None

    def read(self, chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            self.reason = choice["finish_reason"]
            if self.reason is not None:
                return
            delta = choice["delta"]
            if delta.get("tool_calls"):
                self._call(delta["tool_calls"][0])
            elif delta.get("content") and not self.calls:
                self.content += delta["content"]

    def _call(self, told: dict[str, Any]) -> None:
        if told["index"] not in self.calls:
            assert told["id"], "the first fragment names the call"
            function = {"name": told["function"]["name"], "arguments": ""}
            self.calls[told["index"]] = {"id": told["id"], **function}
        self.calls[told["index"]]["arguments"] += told["function"].get("arguments") or ""


def hear(client: Any, **fields: Any) -> Heard:
    heard = Heard()
    *chunks, done = client.chat(stream=True, tools=TOOLS, **fields).events()
    assert done == "[DONE]"
    for chunk in chunks:
        heard.read(chunk)
    return heard


def test_all_calls_and_the_text_before_them_are_heard(client, service, script) -> None:
    text = "One moment. " + "\n".join(CALLS)
    service.script = lambda call: [
        script.started(),
        *(script.delta(text[i : i + 5]) for i in range(0, len(text), 5)),
        script.finished(),
    ]
    heard = hear(client)
    assert heard.content == "One moment."
    assert [call["name"] for call in heard.calls.values()] == ["turn_on", "turn_off"]
    assert [json.loads(call["arguments"]) for call in heard.calls.values()] == [
        {"room": "hall"},
        {"room": "bath"},
    ]
    assert heard.reason == "tool_calls"


def test_its_probe_of_three_tokens_hears_an_end(client, service, script) -> None:
    service.script = lambda call: [
        script.started(),
        *(script.delta(text) for text in ("<tool", "_call>", "\n")),
        script.finished(reason="length"),
    ]
    heard = hear(client, max_tokens=3)
    assert (heard.reason, heard.calls) == ("length", {})
