"""What the real templates of today's families tell of the calls that their models make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evallib.calls.templates import Formats, fetched
from grammar_samples import WIDE, sampled
from msgspec.structs import replace

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.generation.tools.grammar import CallRules
from edge_rt.models.answers.parts import Content, MadeCall
from edge_rt.models.answers.reader import answer_reader
from edge_rt.models.answers.writer import write_calls

LFM_2 = "<|tool_call_start|>", "<|tool_call_end|>", "<|im_end|>"
STYLES = {
    "google-gemma-4-31B-it": "literal",
    "LFM2.5-8B-A1B": "literal",
    "Kimi-K2-Instruct": "named",
    "Kimi-K2-Thinking": "named",
    "Kimi-K3": "tagged",
    "deepseek-ai-DeepSeek-V3.1": "named",
    "deepseek-ai-DeepSeek-V3.2": "tagged",
    "deepseek-ai-DeepSeek-V4": "tagged",
    "openai-gpt-oss-120b": "named",
    "llama-4": "literal",
    "ByteDance-Seed-OSS": "tagged",
    "openbmb-MiniCPM5-1B": "tagged",
}


@pytest.fixture(scope="module")
def formats(cache: Path) -> Formats:
    return Formats(fetched(cache))


def found(formats: Formats, name: str, *tokens: str) -> ChatFormat:
    return formats.learn(formats.source(name), "</s>", tokens)


@pytest.mark.parametrize("name", STYLES)
def test_calls_are_read_off_the_template(formats: Formats, name: str) -> None:
    calls = found(formats, name).calls
    assert (calls.source, calls.style) == ("template", STYLES[name])


@pytest.mark.parametrize("name", ["MiniMax-M3", "muse-glimmer", "meetkai-functionary-medium-v3.2"])
def test_calls_that_do_not_read_back_are_generic(formats: Formats, name: str) -> None:
    assert found(formats, name).calls == replace(GENERIC, unread=True)


@pytest.mark.parametrize("name", ["LFM2-8B-A1B", "LFM2.5-Instruct"])
def test_a_template_that_leaves_calls_out_is_known_by_control_tokens(
    formats: Formats, name: str
) -> None:
    told = found(formats, name, *LFM_2)
    assert (told.calls.source, told.control) == ("family", LFM_2[1::-1])
    text = '<|tool_call_start|>[look(id="12", deep=True)]<|tool_call_end|>Let me see.'
    assert read(told, text) == ([("look", {"id": "12", "deep": True})], "Let me see.")
    assert found(formats, name).calls == GENERIC


def test_tools_are_told_in_words_where_the_template_leaves_them_out(formats: Formats) -> None:
    assert not found(formats, "deepseek-ai-DeepSeek-V3.1").calls.told
    assert found(formats, "deepseek-ai-DeepSeek-V3.2").calls.told


def test_thoughts_of_gemma_and_of_gpt_oss(formats: Formats) -> None:
    gemma, oss = (found(formats, n) for n in ("google-gemma-4-31B-it", "openai-gpt-oss-120b"))
    assert gemma.thinking == ThinkFormat("<|channel>thought", "<channel|>", "enable_thinking")
    assert oss.channels
    assert oss.thinking is not None
    assert oss.thinking.behind == "<|start|>assistant"


def test_every_format_writes_what_it_reads(formats: Formats) -> None:
    """The grammar, the writer and the reader of a format mean the same."""
    paris = {"city": "Paris", "exact": None, "tags": ["a, b"], "more": {"a": 1}}
    for name in formats.names():
        format = replace(found(formats, name), thinking=None)
        written = write_calls(format.calls, [("get_weather", paris)])
        assert read(format, written) == ([("get_weather", paris)], ""), name
        text = sampled(format, CallRules(WIDE, required=True), seed=1)
        if text is not None:
            made, rest = read(format, text)
            assert made, (name, text)
            assert not rest, (name, text)


def read(format: ChatFormat, text: str) -> tuple[list[tuple[str, object]], str]:
    reader = answer_reader(format, {**WIDE, "look": {}})
    parts = [*reader.push(text), *reader.finish()]
    calls = [(p.name, json.loads(p.arguments)) for p in parts if isinstance(p, MadeCall)]
    return calls, "".join(part.text for part in parts if isinstance(part, Content)).strip()
