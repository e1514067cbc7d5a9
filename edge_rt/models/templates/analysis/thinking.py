"""The markers of a model's thoughts, learnt by rendering its chat template."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge_rt.core.chat_format import ThinkFormat
from edge_rt.models.templates.analysis.probe import CONTENT, THOUGHT, TemplateProbe
from edge_rt.models.templates.chat_template import ChatTemplate

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
