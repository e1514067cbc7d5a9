"""The prompts of chats, by the templates of models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from edge_rt.config.schema import Engine
from edge_rt.core.chat_format import CUT, GENERIC, CallFormat, ChatFormat, ChatPrompt, ThinkFormat
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.answers.writer import write_calls
from edge_rt.models.loading import context_of
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

# Behind the user's last message: a system message would replace what some templates say by default.
SEVERAL = "To call several functions at once, write all of their calls in one answer."

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


def with_note(messages: Messages, words: str) -> Messages:
    """Return `messages` with `words` behind what the user said last."""
    at = next((i for i in reversed(range(len(messages))) if messages[i]["role"] == "user"), None)
    if at is None:
        return messages
    noted = {**messages[at], "content": f"{messages[at]['content']}\n\n{words}"}
    return [*messages[:at], noted, *messages[at + 1 :]]


def variables_of(prompt: ChatPrompt, thinking: ThinkFormat | None) -> dict[str, Any] | None:
    """Return the variables for a chat template, with the one that turns thinking on and off."""
    if prompt.think is None or thinking is None or thinking.variable is None:
        return prompt.variables
    return {thinking.variable: prompt.think != "off", **(prompt.variables or {})}


def with_thoughts(prompt: ChatPrompt, thinking: ThinkFormat | None, text: str) -> str:
    """Return the text with thoughts begun, or ended before they begin, as the prompt wants."""
    if prompt.think is None or thinking is None or prompt.end != "assistant":
        return text
    opened = text.rstrip().endswith(thinking.begin)
    if prompt.think != "off":
        begun = opened or prompt.think == "on"
        return text if begun else f"{text}{thinking.begin}\n"
    if not opened and thinking.variable is not None:  # the template did what there is to do
        return text
    begin = "" if opened else f"{thinking.begin}\n"
    return f"{text}{begin}\n{thinking.end}{thinking.behind}"


class Prompting:
    """Writes conversations as models read them, in which only templates have control tokens."""

    def __init__(self, templating: Templating) -> None:
        self._templating = templating
        self._formats: dict[str, ChatFormat] = {}  # by the sha256 of the model

    async def write(
        self, entry: ModelRecord, context: int, prompt: ChatPrompt, client: str | None = None
    ) -> str:
        """Return the prompt as `entry` reads it; raises as Templating.fill.

        RequestError, too, for messages that cannot fit into `context` tokens.
        """
        template, longest = _template(entry), entry.summary.longest_token
        format, messages, tools = await self.format(entry), prompt.messages, prompt.tools
        if prompt.several and format.calls.separator is not None:
            messages = with_note(messages, SEVERAL)
        if tools or any(m.get("role") == "tool" or m.get("tool_calls") for m in messages):
            messages, tools = written_for(format.calls, messages, tools)
        if longest is not None:
            _refuse_what_cannot_fit(messages, longest, context)
        variables = variables_of(prompt, format.thinking)
        task = TemplateTask(template, messages, tools, variables, prompt.end)
        try:
            text = await self._templating.fill(task, client)
        except RecursionError:
            # What the decoder can just read may be too deep for a template to print.
            message = "The messages, tools or chat_template_kwargs are nested too deeply."
            raise RequestError(message, code="invalid_value") from None
        return with_thoughts(prompt, format.thinking, text)

    async def format(self, entry: ModelRecord) -> ChatFormat:
        """Return how the model writes calls and thoughts.

        Raises Unavailable where nothing can tell.

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


class Prompts:
    """The prompt of one request as each model reads it, written once a model."""

    def __init__(
        self,
        prompting: Prompting,
        prompt: ChatPrompt | str | list[int],
        client: str | None,
        engine: Engine,
    ) -> None:
        self._prompting, self._prompt = prompting, prompt
        self._client, self._engine = client, engine
        self._written: dict[str, str] = {}

    async def of(self, entry: ModelRecord) -> str | list[int]:
        """Return the prompt for `entry`; raises as Prompting.write."""
        if not isinstance(self._prompt, ChatPrompt):
            return self._prompt
        if entry.id not in self._written:
            context = context_of(entry, self._engine)
            written = await self._prompting.write(entry, context, self._prompt, self._client)
            self._written[entry.id] = written
        return self._written[entry.id]
