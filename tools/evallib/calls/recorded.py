"""Recorded outputs of well-known models, as CanIToolCall judges a parser of them.

https://github.com/redd34/canitoolcall; an answer that is cut off within a call may tell no call.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from canitoolcall.checks import canonical_arguments, case_status, run_checks
from canitoolcall.fixtures import Family, Fixture, load_family, load_fixtures
from canitoolcall.results import Observation, ParseResult, StreamAccumulator

from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.answers.parts import Content, Thought
from edge_rt.models.answers.reader import answer_reader

# Control tokens that are no marker of a format do not show in a text.
_HIDDEN = re.compile(r"\A<\|python_(?:tag|start)\|>(?=[{\[])|(?<=\. )<\|python_tag\|>(?=\{)")
_HIDDEN_END = re.compile(r"<\|python_end\|>\Z")


class Verdict(NamedTuple):
    """How one output was read. `lost`: a call, or an argument of one as it is, is nowhere."""

    id: str
    model: str
    passed: bool
    lost: bool
    why: str


def judged(format_of: Callable[[str], ChatFormat]) -> Iterator[Verdict]:
    """Read every recorded output by its model's format."""
    for fixture in load_fixtures():
        yield _judge(fixture, load_family(fixture.family), format_of(fixture.reference_model))


def _judge(fixture: Fixture, family: Family, format: ChatFormat) -> Verdict:
    text = _HIDDEN_END.sub("", _HIDDEN.sub("", fixture.raw_output))
    shown = dataclasses.replace(fixture, raw_output=text)
    whole = _read(shown, family, format, [text])
    seen = Observation(
        nonstream=whole,
        streams={name: _read(shown, family, format, cut) for name, cut in _streams(text)},
    )
    checks = run_checks(shown, family, seen)
    rows = [row for row in checks if row.status.value != "pass"]
    return Verdict(
        fixture.id,
        fixture.reference_model,
        case_status(checks).value in ("pass", "soft_pass"),
        _lost(fixture, whole),
        "; ".join(f"{row.check} {row.strategy}: {row.detail}" for row in rows[:3]),
    )


def _lost(fixture: Fixture, whole: ParseResult) -> bool:
    """Return whether a call lacks an argument or has another value for one, or is neither told nor
    left in the text.
    """
    if fixture.expected is None:
        return False
    wanted, told = fixture.expected.tool_calls, whole.tool_calls
    text = f"{whole.content} {whole.reasoning_content}"
    if any(call.name not in text for call in wanted[len(told) :]):
        return True
    for call, found in zip(wanted, told, strict=False):
        arguments: dict[str, Any] = json.loads(found.arguments_raw or "{}")
        kept = {name: value for name, value in arguments.items() if name in call.arguments}
        if canonical_arguments(json.dumps(kept)) != canonical_arguments(json.dumps(call.arguments)):
            return True
    return False


def _read(fixture: Fixture, family: Family, format: ChatFormat, pieces: list[str]) -> ParseResult:
    model = family.reference_for(fixture.reference_model)
    prompt = fixture.generation_prompt
    if prompt is None:
        prompt = (model and model.default_generation_prompt) or ""
    tools = {t["function"]["name"]: t["function"].get("parameters") or {} for t in fixture.tools}
    opened = format.thinking is not None and prompt.rstrip().endswith(format.thinking.begin)
    reader = answer_reader(format, tools, opened=opened)
    found = StreamAccumulator()
    for part in [*(part for piece in pieces for part in reader.push(piece)), *reader.finish()]:
        if isinstance(part, Content):
            found.add_content(part.text)
        elif isinstance(part, Thought):
            found.add_reasoning(part.text)
        else:
            found.append_tool_call(part.name, part.arguments)
    return found.result()


def _streams(text: str) -> Iterator[tuple[str, list[str]]]:
    yield "one", [text]
    yield "token", list(text)
    for seed in range(1, 4):
        numbers, pieces, at = random.Random(seed), list[str](), 0
        while at < len(text):
            size = numbers.randint(1, 8)
            pieces.append(text[at : at + size])
            at += size
        yield f"rand:{seed}:8", pieces
