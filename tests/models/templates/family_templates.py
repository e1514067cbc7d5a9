"""Chat templates in the manner of well-known families, as short as their formats of calls allow."""

from __future__ import annotations

from typing import Any

from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.answers.writer import write_calls
from edge_rt.models.templates.chat_template import ChatTemplate
from edge_rt.models.templates.worker import analyse, read_families

KNOWN = read_families()

_TURN = "<|im_start|>{{ m.role }}\n"
_CHATML = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}"
    "<|im_end|>\n{% endif %}{% for m in messages %}"
    "{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>{{ m.content }}</tool_response>"
    "<|im_end|>\n{% else %}{TURN}{% if m.role == 'assistant' %}{THOUGHT}{% endif %}"
    "{{ m.content }}{% if m.tool_calls %}{% for c in m.tool_calls %}{% set f = c.function %}"
    "{% if not loop.first or m.content %}{{ '\n' }}{% endif %}{CALL}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{PROMPT}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]"
    "{% endif %}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
    "{% elif m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}"
    "{% if c.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}, '
    '"id": "{{ c.id }}"}{% if not loop.last %}, {% endif %}{% endfor %}]{{ eos_token }}'
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
MISTRAL_NEW = (
    "{{ bos_token }}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]"
    "{% endif %}{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]"
    "{% else %}{{ m.content }}{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function.name }}"
    "[ARGS]{{ c.function.arguments | tojson }}{% endfor %}{{ eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% if tools and loop.first %}{{ tools | tojson }}\n{% endif %}"
    "{% if m.tool_calls %}{% if m.tool_calls | length != 1 %}"
    "{{ raise_exception('one call at a time') }}{% endif %}{% set f = m.tool_calls[0].function %}"
    '{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}'
    "{% else %}{{ m.content }}{% endif %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{{ tools | tojson }}{% for m in messages %}{% if m.role == 'user' %}"
    "<~User~>{{ m.content }}{% elif m.tool_calls %}<~Assistant~>{{ m.content }}"
    "<~tool▁calls▁begin~>{% for c in m.tool_calls %}{% if not loop.first %}{{ '\n' }}{% endif %}"
    "{{ '<~tool▁call▁begin~>' + c.type + '<~tool▁sep~>' + c.function.name + '\n```json\n' + "
    "c.function.arguments + '\n```<~tool▁call▁end~>' }}{% endfor %}<~tool▁calls▁end~>"
    "<~end▁of▁sentence~>{% else %}<~Assistant~>{{ m.content.split('</think>')[-1] }}"
    "<~end▁of▁sentence~>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<~Assistant~><think>\n{% endif %}"
).replace("~", "\uff5c")
DEEPSEEK_NEW = DEEPSEEK.replace("{% if not loop.first %}{{ '\n' }}{% endif %}", "").replace(
    "c.type + '<~tool▁sep~>' + c.function.name + '\n```json\n' + c.function.arguments + "
    "'\n```<".replace("~", "\uff5c"),
    "c.function.name + '<~tool▁sep~>' + c.function.arguments + '<".replace("~", "\uff5c"),
)
GRANITE = (
    "{% if tools %}<|start_of_role|>system<|end_of_role|>Answer with <|tool_call|> and a list."
    "<|end_of_text|>\n<|start_of_role|>tools<|end_of_role|>{{ tools | tojson }}<|end_of_text|>\n"
    "{% endif %}{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}"
    "<|end_of_text|>\n{% endfor %}"
)
# As Gemma 4 writes: https://ai.google.dev/gemma/docs/core/prompt-formatting-gemma4
GEMMA_4 = (
    "{% macro spelt(v) %}{% if v is string %}<|Q|>{{ v }}<|Q|>{% elif v is boolean %}"
    "{{ 'true' if v else 'false' }}{% elif v is mapping %}{ {%- for k, x in v | dictsort %}{{ k }}:"
    "{{ spelt(x) }}{{ ',' if not loop.last }}{% endfor -%} }{% elif v is sequence %}["
    "{% for x in v %}{{ spelt(x) }}{{ ',' if not loop.last }}{% endfor %}]{% else %}{{ v }}"
    "{% endif %}{% endmacro %}{% for t in tools or [] %}<|tool>{{ t.function.name }}<tool|>"
    "{% endfor %}{% for m in messages %}<|turn>{{ m.role }}\n"
    "{% for c in m.tool_calls or [] %}<|tool_call>call:{{ c.function.name }}"
    "{{ spelt(c.function.arguments) }}<tool_call|>{% endfor %}"
    "{{ m.content.split('<channel|>')[-1] }}{{ '<|tool_response>' if m.tool_calls else '<turn|>' }}"
    "{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% if not enable_thinking %}"
    "<|channel>thought\n<channel|>{% endif %}{% endif %}"
).replace("|Q|", '|"|')
# As LFM2.5 and Llama 4 write, in tokens of its own and without:
# https://docs.liquid.ai/lfm/key-concepts/tool-use
# https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/
PYTHONIC = (
    "{{ tools | tojson }}{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.tool_calls %}"
    "<|tool_call_start|>[{% for c in m.tool_calls %}{{ c.function.name }}("
    "{% for k, v in c.function.arguments.items() %}{{ k }}="
    "{{ v | tojson if v is string or v is mapping else v }}{{ ', ' if not loop.last }}{% endfor %})"
    "{{ ', ' if not loop.last }}{% endfor %}]<|tool_call_end|>{% else %}{{ m.content }}{% endif %}"
    "<|im_end|>{% endfor %}"
)
LLAMA_4 = PYTHONIC.replace("<|tool_call_start|>", "").replace("<|tool_call_end|>", "")
# https://huggingface.co/moonshotai/Kimi-K2-Instruct/blob/main/docs/tool_call_guidance.md
KIMI_K2 = (
    "{{ tools | tojson }}{% for m in messages %}<|im_{{ m.role }}|>{{ m.content }}"
    "{% if m.tool_calls %}<|tool_calls_section_begin|>{% for c in m.tool_calls %}"
    "<|tool_call_begin|>functions.{{ c.function.name }}:{{ loop.index0 }}"
    "<|tool_call_argument_begin|>{{ c.function.arguments | tojson }}<|tool_call_end|>{% endfor %}"
    "<|tool_calls_section_end|>{% endif %}<|im_end|>{% endfor %}"
)
# https://huggingface.co/deepseek-ai/DeepSeek-V3.2/tree/main/encoding
DEEPSEEK_3_2 = (
    "{{ tools | tojson }}{% for m in messages %}<~{{ m.role }}~>{{ m.content }}"
    "{% if m.tool_calls %}\n\n<~DSML~function_calls>\n{% for c in m.tool_calls %}"
    '<~DSML~invoke name="{{ c.function.name }}">\n{% for k, v in c.function.arguments.items() %}'
    '<~DSML~parameter name="{{ k }}" string="{% if v is string %}true">{{ v }}{% else %}false">'
    "{{ v | tojson }}{% endif %}</~DSML~parameter>\n{% endfor %}</~DSML~invoke>\n"
    "{% endfor %}</~DSML~function_calls>{% endif %}<~end~>{% endfor %}"
).replace("~", "\uff5c")
# https://github.com/openai/harmony/blob/main/docs/format.md
HARMONY = (
    "{{ tools | tojson }}{% for m in messages %}{% if m.tool_calls %}<|start|>assistant"
    "{% set f = m.tool_calls[0].function %} to=functions.{{ f.name }}<|channel|>commentary json"
    "<|message|>{{ f.arguments | tojson }}<|call|>{% elif m.role == 'assistant' %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|return|>"
    "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
NO_TOOLS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "


def chatml(call: str, thought: str = "", prompt: str = "") -> str:
    """A ChatML template that writes each call so."""
    source = _CHATML.replace("{TURN}", _TURN).replace("{CALL}", call)
    return source.replace("{THOUGHT}", thought).replace("{PROMPT}", prompt)


HERMES = chatml(
    '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}\n</tool_call>'
)
QWEN3 = chatml(
    '<tool_call>\n{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}\n</tool_call>',
    thought=(
        "{% if loop.last or m.reasoning_content %}<think>\n"
        "{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    ),
    prompt="{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}",
)
QWEN3_CODER = chatml(
    "<tool_call>\n<function={{ f.name }}>\n{% for k, v in f.arguments.items() %}"
    "<parameter={{ k }}>\n{{ v if v is string else v | tojson }}\n</parameter>\n{% endfor %}"
    "</function>\n</tool_call>"
)
GLM = chatml(
    "<tool_call>{{ f.name }}\n{% for k, v in f.arguments.items() %}<arg_key>{{ k }}</arg_key>\n"
    "<arg_value>{{ v if v is string else v | tojson }}</arg_value>\n{% endfor %}</tool_call>"
)
FUNCTIONARY = chatml("<function={{ f.name }}>{{ f.arguments | tojson }}</function>")


def found(source: str, *control: str) -> ChatFormat:
    """Return what a template tells of a model with these control tokens."""
    return analyse(ChatTemplate(source, "<s>", "</s>"), source, control, KNOWN)


FORMATS = {
    name: found(source, "<\uff5ctool▁calls▁begin\uff5c>")
    for name, source in {
        "HERMES": HERMES,
        "QWEN3": QWEN3,
        "QWEN3_CODER": QWEN3_CODER,
        "GLM": GLM,
        "FUNCTIONARY": FUNCTIONARY,
        "MISTRAL": MISTRAL,
        "MISTRAL_NEW": MISTRAL_NEW,
        "LLAMA_3": LLAMA_3,
        "DEEPSEEK": DEEPSEEK,
        "DEEPSEEK_NEW": DEEPSEEK_NEW,
        "GRANITE": GRANITE,
        "GEMMA_4": GEMMA_4,
        "PYTHONIC": PYTHONIC,
        "LLAMA_4": LLAMA_4,
        "KIMI_K2": KIMI_K2,
        "DEEPSEEK_3_2": DEEPSEEK_3_2,
        "HARMONY": HARMONY,
    }.items()
}


def written(format: ChatFormat, *calls: tuple[str, dict[str, Any]]) -> str:
    """The calls as a model with that format writes them."""
    return write_calls(format.calls, calls)
