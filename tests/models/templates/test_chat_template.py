"""Templates write what models were trained to read, and can do nothing else."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.formats.summary import read_summary
from edge_rt.models.templates import chat_template as templates
from edge_rt.models.templates.chat_template import ChatTemplate

HELLO = [{"role": "user", "content": "Hello"}]


def render(source: str, messages: list[dict[str, Any]] | None = None, **more: Any) -> str:
    return ChatTemplate(source, "<s>", "</s>").render(messages or HELLO, **more)


@pytest.fixture(scope="session")
def real(smollm2: Path) -> ChatTemplate:
    summary = read_summary(smollm2)
    return ChatTemplate(summary.chat_template, summary.bos_token, summary.eos_token)


def test_the_real_template_has_a_default_system_line(real: ChatTemplate) -> None:
    assert real.render(HELLO) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_real_template_takes_another_system_line(real: ChatTemplate) -> None:
    messages = [{"role": "system", "content": "Be brief."}, *HELLO]
    messages += [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Bye"}]
    assert real.render(messages, add_generation_prompt=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
    )


def test_messages_are_data_not_programs(real: ChatTemplate) -> None:
    content = "{{ 7 * 7 }}{% raw %} {# x #}"
    assert f"user\n{content}<|im_end|>" in real.render([{"role": "user", "content": content}])


def test_a_message_that_the_template_cannot_join_is_the_requests_fault(
    real: ChatTemplate,
) -> None:
    with pytest.raises(RequestError, match="fails on these messages") as caught:
        real.render([{"role": "assistant", "content": None}])
    assert caught.value.param == "messages"


def test_blocks_leave_no_blank_lines() -> None:
    source = (
        "{% for m in messages %}\n  {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}"
    )
    assert render(source) == "Hello\n"


def test_the_names_that_templates_expect() -> None:
    assert render("{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}") == "<s></s>True"
    assert render("{{ tools is none }}") == "True"
    assert render("{{ documents is defined }}") == "False"
    assert ChatTemplate("[{{ bos_token }}]", None, None).render(HELLO) == "[]"


def test_variables_are_known_but_replace_nothing() -> None:
    variables = {"thinking": False, "messages": [], "bos_token": "x"}
    source = "{{ thinking }} {{ messages | length }} {{ bos_token }}"
    assert render(source, variables=variables) == "False 1 <s>"


def test_tools_are_plain_json() -> None:
    tools = [{"type": "function", "function": {"name": "grüße", "description": "<a> & 'b'"}}]
    assert render("{{ tools[0] | tojson }}", tools=tools) == (
        '{"type": "function", "function": {"name": "grüße", "description": "<a> & \'b\'"}}'
    )
    assert render("{{ {'b': 1, 'a': [2]} | tojson(indent=1) }}") == (
        '{\n "b": 1,\n "a": [\n  2\n ]\n}'
    )


def test_loops_may_break() -> None:
    assert render(
        "{% for i in [1, 2, 3] %}{{ i }}{% if i == 2 %}{% break %}{% endif %}{% endfor %}"
    )


def test_the_generation_block_is_transparent() -> None:
    assert render("a{% generation %}{{ messages[0].content }}{% endgeneration %}b") == "aHellob"


def test_the_date_comes_from_the_clock() -> None:
    template = ChatTemplate(
        "{{ strftime_now('%d %b %Y') }}", None, None, now=lambda: datetime(2026, 11, 25)
    )
    assert template.render(HELLO) == "25 Nov 2026"


def test_a_refusal_is_told() -> None:
    with pytest.raises(RequestError, match="roles must alternate") as caught:
        render("{{ raise_exception('roles must alternate') }}")
    assert (caught.value.param, caught.value.code) == ("messages", "template_refusal")


def test_a_model_without_template_points_to_completions() -> None:
    with pytest.raises(RequestError, match="/v1/completions") as caught:
        ChatTemplate(None, None, None)
    assert caught.value.param == "model"


@pytest.mark.parametrize("source", ["{% for %}", "{{ x | nofilter }}", "{% if true %}", "{{"])
def test_a_faulty_template_is_the_files_fault(source: str) -> None:
    with pytest.raises(ModelFileError, match="chat template, line 1"):
        ChatTemplate(source, None, None)


def test_a_template_nested_without_end_is_refused() -> None:
    with pytest.raises(ModelFileError):
        ChatTemplate("{{ " + "(" * 100_000 + ")" * 100_000 + " }}", None, None)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ raise_exception.__globals__.json }}",
        "{{ messages.clear() }}",
        "{{ messages[0].update(role='x') }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% for i in range(1000000000) %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 1000000000 * [messages] }}",
        "{{ 9 ** 999999999 }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    with pytest.raises(ModelFileError, match="not safe"):
        render(source)


def test_lists_grow_in_the_template_alone() -> None:
    counting = "{% set n = namespace(ids=[]) %}{% set _ = n.ids.append('a') %}{{ n.ids.pop(0) }}"
    messages = [dict(message) for message in HELLO]
    assert render(counting + "{% set _ = messages.append(1) %}", messages) == "a"
    assert messages == HELLO


def test_messages_are_not_changed() -> None:
    messages = [dict(message) for message in HELLO]
    with pytest.raises(ModelFileError):
        render("{{ messages[0].pop('role') }}", messages)
    assert messages == HELLO


def test_ordinary_products_work() -> None:
    assert render("{{ '=' * 3 }}{{ 2 * 3 }}{{ 2 * '-' }}") == "===6--"


def test_a_prompt_beyond_all_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_PROMPT", 1000)
    assert len(render("{% for i in range(1000) %}x{% endfor %}")) == 1000
    with pytest.raises(RequestError, match="more than 1000 characters"):
        render("{% for i in range(1001) %}x{% endfor %}")
