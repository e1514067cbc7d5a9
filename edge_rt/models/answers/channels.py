"""Answers that are made of messages on channels, as in the Harmony format.

A message is a header up to `<|message|>` and a text: on the channel "analysis" a thought, to a
function a call, else content. See https://github.com/openai/harmony/blob/main/docs/format.md.
"""

from __future__ import annotations

import re

from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.answers.parts import (
    Content,
    MadeCall,
    Part,
    Thought,
    Tools,
    arguments_text,
    first,
    held,
)
from edge_rt.models.answers.values import ObjectSpan

_TEXT = "<|message|>"
_HEADERS = ("<|channel|>", "<|start|>", "<|constrain|>", "to=")
_ENDS = ("<|end|>", "<|return|>")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([\w.-]+)")
_FUNCTION = "functions."


class ChannelReader:
    """Reads one answer, as AnswerReader says."""

    def __init__(
        self, format: ChatFormat, tools: Tools | None, *, opened: bool, parallel: bool
    ) -> None:
        """`opened`: the prompt began the thoughts. Not `parallel`: one call is told."""
        self.calls = 0  # that were made
        self._tools, self._parallel = tools, parallel
        self._text = ""  # that is not told yet
        self._kind: type[Content] | type[Thought] | None = Thought if opened else None
        self._called: str | None = None  # to whom a call goes whose arguments are read
        self._begun = opened  # whether the answer has begun
        self._span = ObjectSpan()
        self._told: list[Part] = []

    def push(self, text: str) -> list[Part]:
        """Return what new text makes sure."""
        self._text += text
        return self._run(final=False)

    def finish(self) -> list[Part]:
        """Return the rest; nothing may be pushed afterwards."""
        return self._run(final=True)

    def _run(self, *, final: bool) -> list[Part]:
        while self._step(final):
            pass
        told, self._told = self._told, []
        return told

    def _step(self, final: bool) -> bool:
        if self._called is not None:
            return self._call()
        return self._header(final) if self._kind is None else self._message(self._kind, final)

    def _header(self, final: bool) -> bool:
        """Read up to where a text begins."""
        rest = self._text.lstrip()
        if not self._begun and rest and not rest.startswith(_HEADERS):
            if not final and any(word.startswith(rest) for word in _HEADERS):
                return False
            self._begun, self._kind = True, Content  # the prompt ended within a message
            return True
        header, found, text = self._text.partition(_TEXT)
        if not found:
            return False
        self._begun, self._text = True, text
        # What ended before belongs to another header, which had no text.
        header = header.rpartition("<|start|>")[2]
        channels, called = _CHANNEL.findall(header), _RECIPIENT.findall(header)
        self._kind = Thought if channels[-1:] == ["analysis"] else Content
        if called and called[-1] not in ("assistant", "user"):
            self._called, self._span = called[-1], ObjectSpan()
        return True

    def _message(self, kind: type[Content] | type[Thought], final: bool) -> bool:
        """Tell what belongs to a message for sure."""
        at, word = first(self._text, _ENDS)
        if word:
            self._tell(kind, self._text[:at])
            self._text, self._kind = self._text[at + len(word) :], None
            return True
        keep = len(self._text) - (0 if final else held(self._text, _ENDS))
        self._tell(kind, self._text[:keep])
        self._text = self._text[keep:]
        return False

    def _tell(self, kind: type[Content] | type[Thought], text: str) -> None:
        if text:
            self._told.append(kind(text))

    def _call(self) -> bool:
        """Read a call's arguments; those to others than functions are left out."""
        assert self._called is not None
        rest = self._text.lstrip()
        if not rest:
            return False
        end = self._span.end(rest) if rest[0] == "{" else 0
        if end is None:
            return False
        arguments = arguments_text(rest[:end]) if end else None
        function = self._called.startswith(_FUNCTION)
        if function and arguments is not None and self._tools is not None:
            if self._parallel or not self.calls:
                self._told.append(MadeCall(self._called.removeprefix(_FUNCTION), arguments))
            self.calls += 1
        self._called, self._kind, self._text = None, None, rest[end:]
        return True
