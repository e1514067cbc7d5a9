"""What the text of a chat's answer must be: its calls, its thoughts and the format asked for."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec.structs import replace

from edge_rt.api.openai.tools import ToolUse
from edge_rt.core.chat_format import ChatFormat, Reading
from edge_rt.core.errors import RequestError
from edge_rt.decoding.params import Constraint
from edge_rt.generation.tools.grammar import FreeText, grammar

JSON_KINDS = ("json_object", "json_schema")  # of constraints that are a part of a grammar


def chat_constraint(
    wanted: Constraint | None, reading: Reading | None, use: ToolUse | None, *, thought: bool
) -> Constraint | None:
    """The constraint of an answer of which `wanted` is asked; None: it may be anything.

    `thought`: the thoughts are a call of their own. Raises RequestError for a constraint that
    cannot go with tools.
    """
    if reading is None:
        return wanted
    format = replace(reading.format, thinking=None) if thought else reading.format
    opened, free = reading.opened and not thought, _free(wanted)
    if use is not None:
        if free is None and wanted is not None:
            message = f"`{wanted.param}` cannot go with `tools`: leave out one of them."
            raise RequestError(message, param=wanted.param, code="invalid_value")
        text = grammar(format, use.rules, opened=opened, free=free)
        return Constraint("lark", text, param="functions" if use.legacy else "tools")
    if format.thinking is None or (wanted is not None and free is None):
        return wanted
    if wanted is None and not _hidden(format):
        return None
    param = "messages" if wanted is None else wanted.param
    return Constraint("lark", grammar(format, None, opened=opened, free=free), param=param)


def _free(wanted: Constraint | None) -> FreeText | None:
    """Text in JSON, as a part of a grammar; None for what is no JSON."""
    if wanted is None or wanted.kind not in JSON_KINDS:
        return None
    schema: Any = msgspec.json.decode(wanted.text) if wanted.text else {"type": "object"}
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    return FreeText(cast("dict[str, Any]", schema), lenient=not wanted.strict)


def _hidden(format: ChatFormat) -> bool:
    """Whether a marker of thoughts is a control token, which a text shows only by a grammar."""
    thinking = format.thinking
    return thinking is not None and not {thinking.begin, thinking.end}.isdisjoint(format.control)
