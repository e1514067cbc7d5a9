"""A model is shown by the daemon's document as by one that its files make."""

from __future__ import annotations

import io
from typing import Any

import msgspec
from msgspec.structs import replace
from rich.console import Console

from edge_rt.cli.local.model_documents import model_view, models_table
from edge_rt.core.chat_format import GENERIC, ChatFormat

CHAT = ChatFormat(replace(GENERIC, unread=True))
MODEL: dict[str, Any] = {
    "id": "big",
    "object": "model",
    "created": 1_795_000_000,
    "owned_by": "Someone",
    "edge": {"kind": "language", "size_bytes": 3_000_000_000, "context": None},
}


def shown(content: Any) -> dict[str, str]:
    file = io.StringIO()
    Console(width=200, file=file).print(content)
    rows = (line.split("  ", 1) for line in file.getvalue().splitlines())
    return {name: text.strip() for name, text in (row for row in rows if len(row) == 2)}


def test_fields_of_edge_are_told_like_the_others() -> None:
    told = shown(model_view(MODEL | {"edge": MODEL["edge"] | {"chat": msgspec.to_builtins(CHAT)}}))
    assert (told["id"], told["kind"], told["size"]) == ("big", "language", "2.79 GiB")
    assert told["tool calls"].startswith("<tool_call>")
    assert (told["tool calls by"], told["unread"]) == ("generic", "yes")
    assert "context" not in told


def test_a_star_marks_the_default() -> None:
    rows = shown(models_table([MODEL | {"default": True}, MODEL | {"id": "b", "default": False}]))
    assert rows["* big"].split() == ["language", "2.79", "GiB"]
