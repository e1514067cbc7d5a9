"""The text of one answer as it comes, taken apart into content, thoughts and calls."""

from __future__ import annotations

from typing_extensions import override

from edge_rt.core.chat_format import ChatFormat
from edge_rt.models.answers.bare_calls import BETWEEN, FENCE, BareCalls, CallsBehindText
from edge_rt.models.answers.call_readers import CallReader, call_reader
from edge_rt.models.answers.channels import ChannelReader
from edge_rt.models.answers.parts import (
    SPACE,
    WAIT,
    AnswerReader,
    Content,
    MadeCall,
    Part,
    Thought,
    Tools,
    first,
    held,
)


class TextReader(AnswerReader):
    """Reads one answer.

    The parts of all pushes and of `finish` together do not depend on where the text was cut: what
    may be the begin of a marker is held back, and a call is told when it is complete. What looks
    like a call and is none is content, as it was written.
    """

    def __init__(
        self,
        format: ChatFormat,
        tools: Tools | None = None,
        *,
        opened: bool = False,
        parallel: bool = True,
        fences: bool = True,
    ) -> None:
        """`tools` None: calls are text like any other. `opened`: the prompt began the thoughts.

        Not `parallel`: calls behind the first one are left out. Not `fences`: a call in plain JSON
        that text follows is content.
        """
        super().__init__()
        self._format, self._tools = format, tools
        self._parallel, self._fences = parallel, fences
        self._thinking = format.thinking
        self._marker = format.calls.marker if tools is not None else ""
        short = format.calls.short_marker if self._marker else ""
        self._begins = tuple(filter(None, (self._marker, short)))  # of calls
        self._strays = _strays(format)
        self._markers = (*self._begins, *format.wrapping, *self._strays)
        self._state = self._thought if opened else self._begin
        self._space = ""  # before it, which goes if a call follows
        self._raw = ""  # what was read of calls since the last complete one
        self._made = False  # whether calls were made since the last marker in content
        self._reader: CallReader | None = None
        self._bare: BareCalls | None = None
        self._behind_text = self._calls_behind()
        self._block = False  # whether a block of code is open in the content
        self._said = False  # whether something was told of the present kind

    @override
    def finish(self) -> list[Part]:
        told = super().finish()
        if self._space and not self.calls:
            told.append(Content(self._space))
        self._space = ""
        return told

    @override
    def _run(self, *, final: bool) -> list[Part]:
        return _joined(super()._run(final=final))

    @override
    def _step(self, final: bool) -> bool:
        return self._state(final)

    def _begin(self, final: bool) -> bool:
        """Look whether thoughts or a call come first."""
        rest = self._text.lstrip(SPACE)
        marker = "" if self._thinking is None else self._thinking.begin
        if marker and rest.startswith(marker):
            self._text = rest[len(marker) :]
            self._state = self._thought
            return True
        if not final and (not rest or (marker and marker.startswith(rest))):
            return False
        self._state = self._answer
        if self._tools is not None and rest.startswith(("{", "`")):
            if self._marker or rest.startswith("`") or self._format.calls.style != "json":
                self._bare, self._state = BareCalls(self._tools), self._read_bare
            else:
                self._begin_calls()
        elif self._tools is not None and not self._marker:
            opening = self._format.calls.opening.strip()  # of calls without a marker
            if opening and rest.startswith(opening):
                self._begin_calls()
        return True

    def _read_bare(self, final: bool) -> bool:
        """Read calls without markers at the begin of the answer."""
        assert self._bare is not None
        rest = self._text.lstrip(BETWEEN if self.calls else SPACE)
        begins = self._bare.begins(rest) if rest else False if final else None
        if begins is None and not final:
            return False
        if not begins:
            return self._leave_bare(rest)
        read = self._bare.read(rest, final)
        if read is None:  # cut off where the text ends
            self._text = "" if final else self._text
            return False
        if read.call is None:
            return self._leave_bare(rest)
        self._tell_calls([read.call])
        self._text = rest[read.end :]
        return True

    def _leave_bare(self, rest: str) -> bool:
        """Go on with content, which begins with space and `rest`."""
        assert self._bare is not None
        space = self._text[: len(self._text) - len(rest)]
        # A fence that begins a line is found in the content.
        self._block = "\n" not in space if rest.startswith(FENCE) else self._bare.fenced
        self._state = self._answer
        return True

    def _thought(self, final: bool) -> bool:
        assert self._thinking is not None
        if not self._said:
            self._text = self._text.lstrip(SPACE).removeprefix(self._thinking.begin).lstrip(SPACE)
            if self._format.wrapping and self._text.startswith(self._format.wrapping[0]):
                self._state = self._answer  # the model left its thoughts out
                return True
            first_words = (self._thinking.begin, *self._format.wrapping)
            if not final and any(one.startswith(self._text) for one in first_words):
                return False
        before, marker, rest = self._text.partition(self._thinking.end)
        if marker:
            self._tell_thought(before.rstrip(SPACE))
            self._text, self._said = rest.lstrip(SPACE), False
            self._state = self._behind
            return True
        keep = len(self._text) if final else _safe(self._text, (self._thinking.end,))
        self._tell_thought(self._text[:keep])
        self._text = self._text[keep:]
        return False

    def _behind(self, final: bool) -> bool:
        """Leave out the space between thoughts and answer."""
        self._text = self._text.lstrip(SPACE)
        if not self._text:
            return False
        self._thinking = None
        self._state = self._begin
        return True

    def _tell_thought(self, text: str) -> None:
        if text:
            self._said = True
            self._told.append(Thought(text))

    def _answer(self, final: bool) -> bool:
        """Tell what is content for sure."""
        at, word = first(self._text, self._markers)
        rest = self._text[at:] if word not in self._begins else ""
        if (
            rest
            and not final
            and any(one.startswith(rest) and one != rest for one in self._markers)
        ):
            at, word = -1, ""  # it may be the begin of a longer marker
        before, bare = self._text if at < 0 else self._text[:at], None
        if self._behind_text is not None:  # calls without markers, or blocks of code, begin or end
            bare = self._behind_text.find(before, block=self._block)
        if bare is not None:
            self._tell(self._text[:bare])
            self._text = self._text[bare:]
            self._state = self._end_block if self._block else self._read_behind
            return True
        if word:
            self._tell(self._text[:at])
            if word in self._begins:
                self._text = self._text[at:]
                self._begin_calls()
            else:
                self._text = self._text[at + len(word) :]
                if word in self._strays[:1]:
                    self._thinking, self._state = self._format.thinking, self._thought
            return True
        if final or not (self._markers or self._tools is not None):
            keep = len(self._text)
        else:
            keep = _safe(self._text, self._markers)
        self._tell(self._text[:keep])
        self._text = self._text[keep:]
        return False

    def _read_behind(self, final: bool) -> bool:
        """Read what may be calls without markers behind other text."""
        assert self._behind_text is not None
        found = self._behind_text.read(self._text, final)
        if found is None:
            return False
        self._state, self._behind_text = self._answer, self._calls_behind()
        if found.calls is None:
            self._block = self._text.startswith(FENCE)
            self._tell(self._text[: found.used])
        else:
            self._tell_calls(found.calls)
        self._text = self._text[found.used :]
        return bool(self._text)

    def _end_block(self, final: bool) -> bool:
        """Read what may be the fence that ends a block of code."""
        if FENCE.startswith(self._text) and self._text != FENCE and not final:
            return False
        self._block = not self._text.startswith(FENCE)
        self._state = self._answer
        self._tell(self._text[:1])
        self._text = self._text[1:]
        return bool(self._text)

    def _calls_behind(self) -> CallsBehindText | None:
        if self._tools is None:
            return None
        return CallsBehindText(self._tools, anywhere=not self._marker, fences=self._fences)

    def _tell_calls(self, calls: list[MadeCall]) -> None:
        """Tell calls, or the first one only; space before them goes."""
        self._space = ""
        told = calls if self._parallel else calls[: 0 if self.calls else 1]
        self._told += told
        self.calls += len(told)

    def _tell(self, text: str) -> None:
        """Tell content; space at its end waits where a call may follow."""
        bare = text.rstrip(SPACE) if self._tools is not None else text
        if bare:
            self._told.append(Content(self._space + bare))
            self._space = ""
        self._space += text[len(bare) :]

    def _begin_calls(self) -> None:
        assert self._tools is not None
        self._reader = call_reader(self._format.calls, self._tools)
        self._raw, self._made, self._state = "", False, self._read_calls

    def _read_calls(self, final: bool) -> bool:
        assert self._reader is not None
        step = self._reader.read(self._text, final)
        if step == WAIT and not final:
            return False
        self._raw += self._text[: step.used]
        self._text = self._text[step.used :]
        if step.call is not None:
            self._tell_calls([step.call])
            self._raw, self._made = "", True
        elif step == WAIT or not step.more:
            self._end_calls(unfinished=step == WAIT, final=final)
        return True

    def _end_calls(self, *, unfinished: bool, final: bool) -> None:
        """No call follows here.

        What was read for one is content, unless the answer ends within a call whose marker was
        there, or that followed another.
        """
        self._state = self._answer
        begun = bool(self._marker) and self._marker in self._raw
        bare = bool(self._marker) and (self._raw + self._text).strip(SPACE) == self._marker
        calls = self._format.calls
        if calls.end and self._raw.split() == f"{calls.begin}{calls.end}".split():
            return  # a frame for calls without any
        named = self._reader is not None and self._reader.named
        if unfinished and (self._made or self._marker or named):
            self._text = self._space = ""
        elif final and bare:
            self._text = ""
        elif begun or not self._made:
            self._tell(self._raw or self._taken())

    def _taken(self) -> str:
        """Take a marker off the text: what begins there is no call."""
        size = next((len(one) for one in self._begins if self._text.startswith(one)), 0)
        first, self._text = self._text[:size], self._text[size:]
        return first


def answer_reader(
    format: ChatFormat,
    tools: Tools | None = None,
    *,
    opened: bool = False,
    parallel: bool = True,
    fences: bool = True,
) -> AnswerReader:
    """Return a reader of one answer in that format; see TextReader for the arguments."""
    if format.channels:
        return ChannelReader(format, tools, opened=opened, parallel=parallel)
    return TextReader(format, tools, opened=opened, parallel=parallel, fences=fences)


def _strays(format: ChatFormat) -> tuple[str, ...]:
    """Return the markers of thoughts, the first one first, that content cannot spell.

    Of those that are control tokens, the model may write more than it should.
    """
    thinking = format.thinking
    if thinking is None or thinking.end not in format.control:
        return ()
    tokens = (one for one in format.control if thinking.begin.startswith(one))
    return tuple(dict.fromkeys((thinking.begin, thinking.end, *tokens)))


def _safe(text: str, markers: tuple[str, ...]) -> int:
    """Return the length of `text` before a beginning of a marker and space before that."""
    return len(text[: len(text) - held(text, markers)].rstrip(SPACE))


def _joined(parts: list[Part]) -> list[Part]:
    """Join neighbouring parts of the same kind."""
    told: list[Part] = []
    for part in parts:
        if told and not isinstance(part, MadeCall) and type(told[-1]) is type(part):
            told[-1] = type(part)(told[-1][0] + part.text)
        else:
            told.append(part)
    return told
