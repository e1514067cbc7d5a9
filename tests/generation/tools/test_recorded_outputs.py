"""Recorded outputs of well-known models, as CanIToolCall judges a parser of them.

https://github.com/redd34/canitoolcall; an answer that is cut off within a call may tell no call.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterator

import pytest
from canitoolcall.checks import case_status, run_checks
from canitoolcall.fixtures import Family, Fixture, load_family, load_fixtures
from canitoolcall.results import Observation, ParseResult, StreamAccumulator
from family_templates import FORMATS
from msgspec.structs import replace

from edge_rt.core.chat_format import CallFormat, ChatFormat, ThinkFormat
from edge_rt.generation.tools.parts import Content, Thought
from edge_rt.generation.tools.reader import AnswerReader

THINK = ThinkFormat("<think>", "</think>")
COMPACT = replace(
    FORMATS["GLM"].calls,
    between="",
    key_end="</arg_key><arg_value>",
    value_end="</arg_value>",
    separator="",
)
MODELS = {
    "meta-llama/Llama-3.3": FORMATS["LLAMA_3"].calls,
    "mistralai/Mistral-7B": FORMATS["MISTRAL"].calls,
    "mistralai/Magistral-Small-2506": FORMATS["MISTRAL"].calls,
    "mistralai/": FORMATS["MISTRAL_NEW"].calls,
    "Qwen/Qwen3-0.6B": FORMATS["QWEN3"].calls,
    "Qwen/Qwen3-4B": FORMATS["QWEN3"].calls,
    "Qwen/": FORMATS["QWEN3_CODER"].calls,
    "deepseek-ai/DeepSeek-V3-0324": FORMATS["DEEPSEEK"].calls,
    "deepseek-ai/DeepSeek-V3.1": FORMATS["DEEPSEEK_NEW"].calls,
    "zai-org/GLM-4.5": FORMATS["GLM"].calls,
    "zai-org/GLM": COMPACT,
}
UNREAD = {  # texts that break their model's format, which the grammar of an answer rules out
    "glm/glm45-vllm-coerces-schema-types",
    "glm/glm45-vllm-newline-format-two-calls",
    "glm/glm47-missing-last-close-arg-value",
    "glm/glm47-vllm-args-with-newlines",
    "llama/l3-sglang-text-before-python-tag",
    "qwen3-xml/bug-coder-missing-tool-call-opener",
    "qwen3-xml/bug-coder-number-outside-int64",
    "qwen3-xml/bug-coder-text-after-call",
    "qwen3-xml/bug-missing-close-parameter-before-function",
    "qwen3-xml/llamacpp-coder-bare-function",
    "qwen3-xml/llamacpp-coder-bare-function-parallel",
    "qwen3-xml/llamacpp-q35-call-inside-think",
    "qwen3-xml/vllm-coder-missing-close-parameter",
}


def format_of(model: str) -> CallFormat | None:
    return next((MODELS[name] for name in MODELS if model.startswith(name)), None)


KNOWN = [fixture for fixture in load_fixtures() if format_of(fixture.reference_model)]


def read(fixture: Fixture, family: Family, pieces: list[str]) -> ParseResult:
    calls = format_of(fixture.reference_model)
    assert calls is not None
    brackets = fixture.family == "mistral" and "2506" not in fixture.reference_model
    thinking = ThinkFormat("[THINK]", "[/THINK]") if brackets else THINK
    model = family.reference_for(fixture.reference_model)
    prompt = fixture.generation_prompt
    if prompt is None:
        prompt = (model and model.default_generation_prompt) or ""
    tools = {t["function"]["name"]: t["function"].get("parameters") or {} for t in fixture.tools}
    opened = prompt.rstrip().endswith(thinking.begin)
    reader = AnswerReader(ChatFormat(calls, thinking), tools, opened=opened)
    found = StreamAccumulator()
    for part in [*(part for piece in pieces for part in reader.push(piece)), *reader.finish()]:
        if isinstance(part, Content):
            found.add_content(part.text)
        elif isinstance(part, Thought):
            found.add_reasoning(part.text)
        else:
            found.append_tool_call(part.name, part.arguments)
    return found.result()


def streams(text: str) -> Iterator[tuple[str, list[str]]]:
    yield "one", [text]
    yield "token", list(text)
    for seed in range(1, 4):
        numbers, pieces, at = random.Random(seed), list[str](), 0
        while at < len(text):
            size = numbers.randint(1, 8)
            pieces.append(text[at : at + size])
            at += size
        yield f"rand:{seed}:8", pieces


@pytest.mark.parametrize("family", sorted({fixture.family for fixture in KNOWN}))
def test_outputs_are_read_as_their_models_meant_them(family: str) -> None:
    told, failed = load_family(family), set[str]()
    for fixture in (one for one in KNOWN if one.family == family):
        # A control token that is no marker of the format does not show in a text.
        text = re.sub(r"<\|python_tag\|>(?=\{)", "", fixture.raw_output)
        shown = dataclasses.replace(fixture, raw_output=text)
        pieces = {name: read(shown, told, cut) for name, cut in streams(text)}
        seen = Observation(nonstream=read(shown, told, [text]), streams=pieces)
        if case_status(run_checks(shown, told, seen)).value != "pass":
            failed.add(fixture.id)
    assert failed == {id for id in UNREAD if id.startswith(f"{family}/")}
