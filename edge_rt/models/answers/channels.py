"""Answers that are made of messages on channels, as in the Harmony format.

A message is a header up to `<|message|>` and a text: on the channel "analysis" a thought, to a
function a call, else content, as is a text without a header. What goes to a tool that the format
itself knows is left out. See
https://github.com/openai/harmony/blob/main/docs/format.md.
"""

from __future__ import annotations

import re

from typing_extensions import override

from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.answers.parts import (
    AnswerReader,
    Content,
    MadeCall,
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
_CALL_ENDS = (*_ENDS, "<|call|>")
_BARE_ENDS = (*_ENDS, "<|start|>assistant")  # of a text without a header
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([\w.-]+)")
_FUNCTION = "functions."
_BUILT_IN = re.compile(r"(?:python|browser|container)(?:\.|\Z)")


class ChannelReader(AnswerReader):
    """Reads one answer, as AnswerReader says."""

    def __init__(
        self, format: ChatFormat, tools: Tools | None, *, opened: bool, parallel: bool
    ) -> None:
        """Begin to read.

        `opened`: the prompt began the thoughts. Not `parallel`: one call is told.
        """
        super().__init__()
        self._tools, self._parallel = tools, parallel
        self._kind: type[Content] | type[Thought] | None = Thought if opened else None
        self._called: str | None = None  # to whom a call goes whose arguments are read
        self._ends = _ENDS  # of the text that is read
        self._left_out = False  # whether it is
        self._span = ObjectSpan()

    @override
    def _step(self, final: bool) -> bool:
        if self._called is not None:
            return self._call()
        return self._header(final) if self._kind is None else self._message(self._kind, final)

    def _header(self, final: bool) -> bool:
        """Read up to where a text begins."""
        rest = self._text.lstrip()
        if ended := [word for word in _CALL_ENDS if rest.startswith(word)]:
            self._text = rest[len(ended[0]) :]
            return True
        if rest and not rest.startswith(_HEADERS):
            if not final and any(word.startswith(rest) for word in (*_HEADERS, *_CALL_ENDS)):
                return False
            self._kind, self._ends, self._left_out = Content, _BARE_ENDS, False
            return True
        header, found, text = self._text.partition(_TEXT)
        if not found:
            return False
        self._text = text
        # What ended before belongs to another header, which had no text.
        header = header.rpartition("<|start|>")[2]
        channels, called = _CHANNEL.findall(header), _RECIPIENT.findall(header)
        self._kind = Thought if channels[-1:] == ["analysis"] else Content
        self._ends = _CALL_ENDS if called else _ENDS
        name = called[-1] if called else ""
        if self._tools is not None and (name.startswith(_FUNCTION) or name in self._tools):
            self._called, self._span = name.removeprefix(_FUNCTION), ObjectSpan()
        self._left_out = self._called is None and _BUILT_IN.match(name) is not None
        return True

    def _message(self, kind: type[Content] | type[Thought], final: bool) -> bool:
        """Tell what belongs to a message for sure."""
        at, word = first(self._text, self._ends)
        if word:
            self._tell(kind, self._text[:at])
            self._text, self._kind = self._text[at:], None
            return True
        keep = len(self._text) - (0 if final else held(self._text, self._ends))
        self._tell(kind, self._text[:keep])
        self._text = self._text[keep:]
        return False

    def _tell(self, kind: type[Content] | type[Thought], text: str) -> None:
        if text and not self._left_out:
            self._told.append(kind(text))

    def _call(self) -> bool:
        """Read a call's arguments; a message that has none is told like others."""
        assert self._called is not None
        rest = self._text.lstrip()
        if not rest:
            return False
        end = self._span.end(rest) if rest[0] == "{" else 0
        if end is None:
            return False
        arguments = arguments_text(rest[:end]) if end else None
        if arguments is not None:
            if self._parallel or not self.calls:
                self._told.append(MadeCall(self._called, arguments))
            self.calls += 1
            self._kind, self._text = None, rest[end:]
        self._called = None
        return True
