"""The process that fills in chat templates: `python -m edge_rt.models.templates.worker`.

Templates are programs from model files. The sandbox keeps them from everything but their
arguments, and this process, which may be ended at any time, from the time and memory of others. It
reads tasks from standard input and writes what came of each to standard output, as JSON behind its
length in four bytes, until the input ends.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from edge_rt.core.chat_format import GENERIC, CallFormat, ChatFormat, ThinkFormat
from edge_rt.core.errors import ConfigError, ModelFileError, RequestError
from edge_rt.core.files import read_yaml
from edge_rt.core.system.process import end_with_parent, frames, limit, write_frame
from edge_rt.models.templates.call_format import common_begin, find_calls
from edge_rt.models.templates.chat_template import (
    CONTENT,
    THOUGHT,
    ChatTemplate,
    TemplateProbe,
)
from edge_rt.models.templates.task import (
    Analysed,
    AnalysisTask,
    AnyReply,
    AnyTask,
    Disarmed,
    Filled,
    Template,
    TemplateRefusal,
    TemplateTask,
)

_TAG = r"<[^<>\s]+>|\[/?[A-Z_]+\]"
_BEFORE = re.compile(rf"({_TAG})\s*\Z")
_BEHIND = re.compile(rf"\A\s*({_TAG})")
_FIELDS = ("reasoning_content", "reasoning", "thinking")  # names of a message's thoughts
_VARIABLES = ("enable_thinking", "thinking")
_FINAL = "<|channel|>final<|message|>"
_CHANNELS = "<|start|> <|channel|> <|constrain|> <|message|> <|end|>"
_ANALYSIS = ThinkFormat("<|channel|>analysis<|message|>", "<|end|>", None, "<|start|>assistant")
_MARKERS = re.compile(r"(?:<[^<>\s]+>\w*)+")
MEMORY = 256 * 1024 * 1024  # bytes beyond what the process begins with
CPU_S = 5  # of one task, after which the kernel ends the process
_DECODER = msgspec.json.Decoder(AnyTask)
_KEPT = 8  # templates that were compiled last
_FILES = 16  # that may be open
_HERE = "\ufdd1"  # no character of Unicode; no text has it
_FAMILIES = Path(__file__).with_name("families.yaml")


def find_thinking(chat: ChatTemplate, source: str, known: Mapping[str, str]) -> ThinkFormat | None:
    """Return the markers of thoughts; `known` are pairs to look for otherwise."""
    probe = TemplateProbe(chat)
    text = probe.content(**dict.fromkeys(_FIELDS, THOUGHT)) or ""
    # A template handles markers itself, too: it cuts old thoughts off, or begins new ones.
    handled = next((pair for pair in known.items() if pair[1] in source), None)
    markers = _known(text, known) or _rendered(text) or handled
    if markers is None:
        return None
    return ThinkFormat(*markers, _variable(probe))


def _known(text: str, known: Mapping[str, str]) -> tuple[str, str] | None:
    """Return known markers between which the thoughts are rendered."""
    head, thought, tail = text.partition(THOUGHT)
    ends = (pair for pair in known.items() if thought and tail.lstrip().startswith(pair[1]))
    return next((pair for pair in ends if head.rstrip().endswith(pair[0])), None)


def _rendered(text: str) -> tuple[str, str] | None:
    head, thought, tail = text.partition(THOUGHT)
    begin, end = _BEFORE.search(head), _BEHIND.search(tail)
    if not thought or begin is None or end is None:
        return None
    around = _BEFORE.search(tail.partition(CONTENT)[0])
    if around is not None and around[1] == begin[1]:
        return None  # it stands before any part of a message
    return begin[1], end[1]


def _variable(probe: TemplateProbe) -> str | None:
    for name in _VARIABLES:
        on, off = probe.prompt({name: True}), probe.prompt({name: False})
        if on is not None and off is not None and on != off:
            return name
    return None


class CallFamily(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How models write calls whose template holds these texts."""

    name: str
    holds: list[str]
    format: CallFormat


class KnownFamilies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What texts in templates tell; `thinking` has end markers of thoughts by begin markers."""

    calls: list[CallFamily]
    thinking: dict[str, str]


def read_families() -> KnownFamilies:
    """Return the table; raises ConfigError."""
    try:
        return msgspec.convert(read_yaml(_FAMILIES), KnownFamilies)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), file=str(_FAMILIES)) from error


def analyse(
    chat: ChatTemplate, source: str, control_tokens: Iterable[str], known: KnownFamilies
) -> ChatFormat:
    """Return the format of calls and thoughts; `control_tokens` are the vocabulary's."""
    tokens = frozenset(control_tokens)
    calls = _calls(chat, source, tokens, known)
    text = TemplateProbe(chat).content() or ""
    if text.partition(CONTENT)[0].endswith(_FINAL):
        shown = tuple(sorted(token for token in tokens if token in _CHANNELS))
        return ChatFormat(calls, _ANALYSIS, shown, channels=True)
    thinking = find_thinking(chat, source, known.thinking)
    wrapping = _wrapping(chat, text, thinking, calls)
    if wrapping and thinking is not None:
        thinking = msgspec.structs.replace(thinking, behind=wrapping[0])
    shown = shown_tokens(calls, thinking, tokens, wrapping)
    return ChatFormat(calls, thinking, shown, wrapping)


def _wrapping(
    chat: ChatTemplate, text: str, thinking: ThinkFormat | None, calls: CallFormat
) -> tuple[str, ...]:
    """Return the markers before and behind the text of an answer, and those that end a turn."""
    head, _, tail = text.partition(CONTENT)
    end = "" if thinking is None else thinking.end
    if end and end in head:
        begin = head.rpartition(end)[2].strip()
    else:
        prompt = TemplateProbe(chat).prompt({})
        begin = head.removeprefix(prompt).strip() if prompt and head.startswith(prompt) else ""
    behind = tail.partition(chat.eos_token)[0].strip() if chat.eos_token else ""
    if not _MARKERS.fullmatch(begin) or not _MARKERS.fullmatch(behind):
        return ()
    first = common_begin(behind, calls.begin)
    return begin, behind, *filter(None, (first, behind.removeprefix(first)))


def _calls(
    chat: ChatTemplate, source: str, tokens: frozenset[str], known: KnownFamilies
) -> CallFormat:
    told, (found, shown) = TemplateProbe(chat).tells_of_tools(), find_calls(chat)
    if found is not None:
        return msgspec.structs.replace(found, told=told)
    if shown:  # as in no known family
        return msgspec.structs.replace(GENERIC, unread=True)
    for family in known.calls if told else []:
        if all(text in source or text in tokens for text in family.holds):
            return msgspec.structs.replace(family.format, source="family")
    return GENERIC


def shown_tokens(
    calls: CallFormat,
    thinking: ThinkFormat | None,
    control_tokens: Iterable[str],
    wrapping: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return the control tokens that the markers are made of."""
    texts = [value for value in msgspec.structs.astuple(calls) if isinstance(value, str)]
    texts += [*calls.key_ends.values(), *wrapping]
    texts += [] if thinking is None else [thinking.begin, thinking.end]
    told = "\n".join(texts)
    return tuple(sorted({token for token in control_tokens if token and token in told}))


class Templates:
    """Fills in templates, and keeps those compiled that it has filled in last."""

    def __init__(self) -> None:
        self._compiled = lru_cache(_KEPT)(self._compile)
        self._families = cache(read_families)

    def fill(self, content: bytes) -> AnyReply:
        """Return what comes of a task; never raises."""
        try:
            task = _DECODER.decode(content)
            template = task.template
            chat, disarmed = self._compiled(template)
            if isinstance(task, AnalysisTask):
                source, tokens = template.source or "", template.control_tokens
                return Analysed(analyse(chat, source, tokens, self._families()))
            return _filled(chat, disarmed, task)
        except RequestError as error:
            return TemplateRefusal(str(error), False, error.param, error.code)
        except ModelFileError as error:
            return TemplateRefusal(str(error), True)
        except RecursionError:
            message = "the messages, tools or chat_template_kwargs are nested too deeply"
            return TemplateRefusal(message, False, "messages", "invalid_value")
        except MemoryError as error:
            message = f"the model's chat template fails on these messages: {type(error).__name__}"
            return TemplateRefusal(message, False, "messages", "template_failure")

    def _compile(self, template: Template) -> tuple[ChatTemplate, Disarmed]:
        chat = ChatTemplate(template.source, template.bos_token, template.eos_token)
        return chat, Disarmed(template.control_tokens, template.mark)


def _filled(chat: ChatTemplate, disarmed: Disarmed, task: TemplateTask) -> Filled:
    said = [disarmed.all(given) for given in (task.messages, task.tools, task.variables)]
    if task.end == "inside":
        return Filled(_inside(chat, *said))
    return Filled(chat.render(said[0], said[1], task.end == "assistant", said[2]))


def _inside(chat: ChatTemplate, messages: list[dict[str, Any]], tools: Any, variables: Any) -> str:
    """Return the prompt up to the end of the last message's content.

    Raises RequestError where that is lost.
    """
    *before, last = messages
    marked = [*before, {**last, "content": f"{last.get('content') or ''}{_HERE}"}]
    prompt, here, _ = chat.render(marked, tools, False, variables).partition(_HERE)
    if not here:
        message = "the model's chat template leaves out the end of the last message"
        raise RequestError(message, param="continue_final_message", code="template_refusal")
    return prompt


def main() -> None:
    """Do tasks until there are no more."""
    end_with_parent(sys.stdout.fileno())
    templates = Templates()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit(pages * resource.getpagesize() + MEMORY, _FILES)
    write_frame(sys.stdout.buffer, b"")  # ready
    for content in frames(sys.stdin.buffer):
        cpu_s = int(time.process_time()) + CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.RLIM_INFINITY))
        write_frame(sys.stdout.buffer, msgspec.json.encode(templates.fill(content)))


if __name__ == "__main__":
    main()
