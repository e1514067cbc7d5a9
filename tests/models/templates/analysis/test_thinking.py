"""What templates tell of the thoughts of their models."""

from __future__ import annotations

import family_templates as families
import pytest
from family_templates import found

from edge_rt.core.chat_format import ThinkFormat


def test_markers_and_the_variable_are_read_off_the_template() -> None:
    assert found(families.QWEN3).thinking == ThinkFormat("<think>", "</think>", "enable_thinking")


def test_a_template_that_cuts_old_thoughts_off_is_known_by_their_end() -> None:
    assert found(families.DEEPSEEK).thinking == ThinkFormat("<think>", "</think>")


@pytest.mark.parametrize("source", [families.HERMES, families.LLAMA_3, families.NO_TOOLS])
def test_other_models_do_not_think(source: str) -> None:
    assert found(source).thinking is None


def test_a_marker_of_every_message_is_none_of_thoughts() -> None:
    source = (
        "{% for m in messages %}{% if m.reasoning_content %}<|message|>{{ m.reasoning_content }}"
        "<|end|>{% endif %}<|message|>{{ m.content }}<|end|>{% endfor %}"
    )
    assert found(source).thinking is None
