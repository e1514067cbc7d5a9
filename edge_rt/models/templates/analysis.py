"""All that a chat template tells of a model's answers: calls, thoughts and hidden tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from edge_rt.core.chat_format import GENERIC, CallFormat, ChatFormat, ThinkFormat
from edge_rt.core.errors import ConfigError
from edge_rt.core.files import read_yaml
from edge_rt.models.templates.call_format import find_calls
from edge_rt.models.templates.chat_template import CONTENT, THOUGHT, ChatTemplate, TemplateProbe

_TAG = r"<[^<>\s]+>|\[/?[A-Z_]+\]"
_BEFORE = re.compile(rf"({_TAG})\s*\Z")
_BEHIND = re.compile(rf"\A\s*({_TAG})")
_FIELDS = ("reasoning_content", "reasoning", "thinking")  # names of a message's thoughts
_VARIABLES = ("enable_thinking", "thinking")


def find_thinking(chat: ChatTemplate, source: str, known: Mapping[str, str]) -> ThinkFormat | None:
    """The markers of thoughts; `known` are pairs to look for where rendering tells nothing."""
    probe = TemplateProbe(chat)
    markers = _rendered(probe) or _mentioned(source, known)
    if markers is None:
        return None
    return ThinkFormat(*markers, _variable(probe))


def _rendered(probe: TemplateProbe) -> tuple[str, str] | None:
    text = probe.content(**dict.fromkeys(_FIELDS, THOUGHT)) or ""
    head, thought, tail = text.partition(THOUGHT)
    begin, end = _BEFORE.search(head), _BEHIND.search(tail)
    if not thought or begin is None or end is None:
        return None
    around = _BEFORE.search(tail.partition(CONTENT)[0])
    if around is not None and around[1] == begin[1]:
        return None  # it stands before any part of a message
    return begin[1], end[1]


def _mentioned(source: str, known: Mapping[str, str]) -> tuple[str, str] | None:
    """Markers that the template itself handles: it cuts old thoughts off, or begins new ones."""
    return next(((begin, end) for begin, end in known.items() if end in source), None)


def _variable(probe: TemplateProbe) -> str | None:
    for name in _VARIABLES:
        on, off = probe.prompt({name: True}), probe.prompt({name: False})
        if on is not None and off is not None and on != off:
            return name
    return None


FAMILIES = Path(__file__).with_name("families.yaml")


class CallFamily(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How models write calls whose template holds these texts."""

    name: str
    holds: list[str]
    format: CallFormat


class KnownFamilies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What texts in templates tell; `thinking` has end markers of thoughts by begin markers."""

    calls: list[CallFamily]
    thinking: dict[str, str]


def read_families(path: Path = FAMILIES) -> KnownFamilies:
    """The table at `path`; raises ConfigError."""
    try:
        return msgspec.convert(read_yaml(path), KnownFamilies)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), file=str(path)) from error


def analyse(
    chat: ChatTemplate, source: str, control_tokens: Iterable[str], known: KnownFamilies
) -> ChatFormat:
    """The format of calls and thoughts; `control_tokens` are those of the model's vocabulary."""
    thinking = find_thinking(chat, source, known.thinking)
    calls = _calls(chat, source, known)
    return ChatFormat(calls, thinking, shown_tokens(calls, thinking, control_tokens))


def _calls(chat: ChatTemplate, source: str, known: KnownFamilies) -> CallFormat:
    if "tools" not in source:
        return GENERIC
    return find_calls(chat) or _family(source, known) or GENERIC


def _family(source: str, known: KnownFamilies) -> CallFormat | None:
    for family in known.calls:
        if all(text in source for text in family.holds):
            return msgspec.structs.replace(family.format, source="family")
    return None


def shown_tokens(
    calls: CallFormat, thinking: ThinkFormat | None, control_tokens: Iterable[str]
) -> tuple[str, ...]:
    """The control tokens that the markers are made of."""
    texts = [value for value in msgspec.structs.astuple(calls) if isinstance(value, str)]
    texts += [] if thinking is None else [thinking.begin, thinking.end]
    told = "\n".join(texts)
    return tuple(sorted({token for token in control_tokens if token and token in told}))
