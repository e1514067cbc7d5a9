"""The prompts of chats, by the templates of models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from edge_rt.core.chat_format import CUT, GENERIC, CallFormat, ChatFormat, PromptEnd
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.answers.writer import write_calls
from edge_rt.models.record import ModelRecord
from edge_rt.models.templates.process import Templating
from edge_rt.models.templates.task import Template, TemplateTask

_TOLD = """\
You may call functions to help with the user's request. Their signatures:
<tools>
{tools}
</tools>
To call a function, answer with its name and arguments in this way, and nothing else:
{example}"""
_EXAMPLE = ("NAME", {"KEY": "VALUE"})

Messages = list[dict[str, Any]]


def written_for(
    format: CallFormat, messages: Messages, tools: list[dict[str, Any]] | None
) -> tuple[Messages, list[dict[str, Any]] | None]:
    """Messages and tools as the template of a model with that format takes them."""
    if format.source != "template":
        messages = [_in_words(format, message) for message in messages]
    if format.source == "generic" or not format.told:
        return _with_tools(format, messages, tools), None
    if format.arguments_as_text:
        messages = [_with_text(message) for message in messages]
    return messages, tools


def _with_tools(
    format: CallFormat, messages: Messages, tools: list[dict[str, Any]] | None
) -> Messages:
    """Return messages with the tools in a system message."""
    if format.arguments_as_text:
        messages = [_with_text(message) for message in messages]
    if not tools:
        return messages
    functions = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    words = _TOLD.format(tools=functions, example=write_calls(format, [_EXAMPLE]).strip())
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{words}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]


def _in_words(format: CallFormat, message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its calls in the text, for a template that leaves them out.

    One that knows no tools knows no results either, which become words of the user.
    """
    if message["role"] == "tool" and format.source == "generic":
        result = f"<tool_response>\n{message['content']}\n</tool_response>"
        return {"role": "user", "content": result}
    calls = message.get("tool_calls")
    if not calls:
        return message
    functions = [call["function"] for call in calls]
    made = write_calls(format, [(one["name"], one["arguments"]) for one in functions])
    said = [message["content"]] if message["content"] else []
    return {"role": "assistant", "content": "\n".join([*said, made])}


def _with_text(message: dict[str, Any]) -> dict[str, Any]:
    calls = cast("Sequence[dict[str, Any]]", message.get("tool_calls") or ())
    if not calls:
        return message
    functions = [call["function"] for call in calls]
    texts = [{**one, "arguments": _text_of(one["arguments"])} for one in functions]
    made = [{**call, "function": one} for call, one in zip(calls, texts, strict=True)]
    return {**message, "tool_calls": made}


def _text_of(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


class Prompting:
    """Writes conversations as models read them, in which only templates have control tokens."""

    def __init__(self, templating: Templating) -> None:
        self._templating = templating
        self._formats: dict[str, ChatFormat] = {}  # by the sha256 of the model

    async def write(
        self,
        entry: ModelRecord,
        context: int,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None,
        variables: dict[str, Any] | None,
        client: str | None = None,
        end: PromptEnd = "assistant",
    ) -> str:
        """The prompt, up to that end; raises as Templating.fill.

        RequestError, too, for messages that cannot fit into `context` tokens.
        """
        template, longest = _template(entry), entry.summary.longest_token
        if tools or any(m.get("role") == "tool" or m.get("tool_calls") for m in messages):
            calls = (await self.format(entry)).calls
            messages, tools = written_for(calls, messages, tools)
        if longest is not None:
            _refuse_what_cannot_fit(messages, longest, context)
        return await self._templating.fill(
            TemplateTask(template, messages, tools, variables, end), client
        )

    async def format(self, entry: ModelRecord) -> ChatFormat:
        """How the model writes calls and thoughts; raises Unavailable where nothing can tell.

        A model without a template, or with one that fails, has the generic format.
        """
        found = self._formats.get(entry.sha256)
        if found is None:
            try:
                found = await self._templating.analyse(_template(entry))
            except (RequestError, ModelFileError):
                found = ChatFormat(GENERIC)
            self._formats[entry.sha256] = found
        return found

    async def close(self) -> None:
        await self._templating.close()


def _template(entry: ModelRecord) -> Template:
    told = entry.summary
    if told.control_tokens is None:
        raise ModelFileError(f"{entry.path}: cannot be read: edge-rt models verify {entry.id}")
    return Template(told.chat_template, told.bos_token, told.eos_token, told.control_tokens, CUT)


def _refuse_what_cannot_fit(messages: list[dict[str, Any]], longest: int, context: int) -> None:
    """Raise RequestError before a template and a tokenizer work on megabytes for nothing.

    Templates leave out parts of what the assistant and tools said, and space around the rest.
    """
    said = [m.get("content") for m in messages if m.get("role") in ("system", "user")]
    least = sum(len(text.strip()) for text in said if isinstance(text, str)) // longest
    if least >= context:
        raise RequestError(
            f"This model's maximum context length is {context} tokens, and the messages alone "
            f"have at least {least}: shorten them",
            param="messages",
            code="context_length_exceeded",
        )
