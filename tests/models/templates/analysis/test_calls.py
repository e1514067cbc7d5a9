"""What templates tell of the calls that their models make."""

from __future__ import annotations

import family_templates as families
import pytest
from family_templates import KNOWN, found
from msgspec.structs import replace

from edge_rt.core.chat_format import GENERIC, CallFormat

MARKERS = {
    "hermes": "<tool_call>",
    "qwen3-coder": "<tool_call>",
    "functionary": "<function=",
    "mistral": "[TOOL_CALLS]",
    "mistral-new": "[TOOL_CALLS]",
    "llama-3": "",
    "deepseek": "<\uff5ctool▁calls▁begin\uff5c>",
}


def json_style(before: str, after: str, **more: object) -> CallFormat:
    fields = {"before": f'{before}{{"name": "', "between": '", "arguments": ', "after": after}
    return CallFormat(style="json", **{**fields, **more})  # pyright: ignore[reportArgumentType]


SHOWN = {
    "hermes": (
        families.HERMES,
        json_style("<tool_call>\n", "}\n</tool_call>", separator="\n"),
    ),
    "qwen3": (families.QWEN3, json_style("<tool_call>\n", "}\n</tool_call>", separator="\n")),
    "qwen3-coder": (
        families.QWEN3_CODER,
        CallFormat(
            style="tagged",
            before="<tool_call>\n<function=",
            between=">\n",
            after="</function>\n</tool_call>",
            separator="\n",
            key_begin="<parameter=",
            key_end=">\n",
            value_end="\n</parameter>\n",
        ),
    ),
    "glm": (
        families.GLM,
        CallFormat(
            style="tagged",
            before="<tool_call>",
            between="\n",
            after="</tool_call>",
            separator="\n",
            key_begin="<arg_key>",
            key_end="</arg_key>\n<arg_value>",
            value_end="</arg_value>\n",
        ),
    ),
    "functionary": (
        families.FUNCTIONARY,
        CallFormat(
            style="named",
            before="<function=",
            between=">",
            after="</function>",
            separator="\n",
        ),
    ),
    "mistral": (
        families.MISTRAL,
        json_style("", "}", begin="[TOOL_CALLS][", end="]", separator=", "),
    ),
    "mistral-new": (
        families.MISTRAL_NEW,
        CallFormat(style="named", before="[TOOL_CALLS]", between="[ARGS]", after="", separator=""),
    ),
    "llama-3": (
        families.LLAMA_3,
        json_style("", "}", between='", "parameters": ', arguments_key="parameters"),
    ),
    "deepseek": (
        families.DEEPSEEK,
        CallFormat(
            style="named",
            begin="<\uff5ctool▁calls▁begin\uff5c>",
            before="<\uff5ctool▁call▁begin\uff5c>function<\uff5ctool▁sep\uff5c>",
            between="\n```json\n",
            after="\n```<\uff5ctool▁call▁end\uff5c>",
            end="<\uff5ctool▁calls▁end\uff5c>",
            separator="\n",
            arguments_as_text=True,
        ),
    ),
    "deepseek-new": (
        families.DEEPSEEK_NEW,
        CallFormat(
            style="named",
            begin="<\uff5ctool▁calls▁begin\uff5c>",
            before="<\uff5ctool▁call▁begin\uff5c>",
            between="<\uff5ctool▁sep\uff5c>",
            after="<\uff5ctool▁call▁end\uff5c>",
            end="<\uff5ctool▁calls▁end\uff5c>",
            separator="",
            arguments_as_text=True,
        ),
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_format_is_read_off_the_template(name: str) -> None:
    source, expected = SHOWN[name]
    assert found(source).calls == expected


def test_a_template_that_renders_no_calls_is_known_by_its_texts() -> None:
    calls = found(families.GRANITE).calls
    assert (calls.source, calls.marker, calls.end) == ("family", "<|tool_call|>", "]")


@pytest.mark.parametrize(
    "source", [families.NO_TOOLS, families.NO_TOOLS + "{% if tools %}{{ tools }}{% endif %}"]
)
def test_what_tells_nothing_has_the_generic_format(source: str) -> None:
    assert found(source).calls == GENERIC


@pytest.mark.parametrize(
    "call",
    [
        "<call>{{ f.name }}{ {%- for k, v in f.arguments.items() %}{{ k }}:<|{{ v }}|>"
        "{{ ',' if not loop.last }}{% endfor -%} </call>",  # no bracket ends it
        "<function={{ f.name }}>{{ f.arguments.items() | list | first | tojson }}</function>",
        '<call>{"name": "{{ f.name }}", "arguments": {"zqkey": "{{ f.arguments.zqkey }}"}}</call>',
    ],
)
def test_calls_that_do_not_read_back_are_generic(call: str) -> None:
    source = families.chatml(call) + "{# <tool_call> #}"  # no family is taken for it
    assert found(source).calls == replace(GENERIC, unread=True)


def test_a_template_that_shows_no_tools_may_show_calls() -> None:
    silent = families.HERMES.replace("if tools", "if false")
    assert found(silent).calls == replace(found(families.HERMES).calls, told=False)


def test_every_known_family_is_complete() -> None:
    for family in KNOWN.calls:
        source = "{{ tools or '' }}" + " ".join(f"{{{{ {text!r} }}}}" for text in family.holds)
        assert found(source).calls.opening == family.format.opening


def test_control_tokens_among_the_markers_are_to_be_shown() -> None:
    control = "<|im_end|>", "[TOOL_CALLS]", "[INST]", ""
    assert found(families.MISTRAL, *control).control == ("[TOOL_CALLS]",)


@pytest.mark.parametrize("name", MARKERS)
def test_the_marker_tells_a_call_from_text(name: str) -> None:
    assert SHOWN[name][1].marker == MARKERS[name]
