"""Objects in a model's text: where they end, and those that are not written as JSON."""

from __future__ import annotations

import json
import re

JSON = '"'
PYTHON = ""
_BEHIND = r"\s*[,)\]}:=]"  # what may follow a string in Python's way
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U000[0-9a-fA-F]{5}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_PLAIN = {char: char for char in "\\'\"/"}
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\n": "", **_PLAIN}
_SOLID = re.compile(r"\S")
_BARE = re.compile(r"[^,(){}\[\]]*")  # a value that is no string
_WORDS = {"True": True, "False": False, "None": None}


class ObjectSpan:
    """Follows one object from its bracket on; the text may be malformed, only brackets count.

    `quote` is what stands around strings: JSON, PYTHON, or a mark of its own. In Python's way a
    quote ends a string only before what may follow one, for some templates write strings that hold
    the same quotes as they are.
    """

    def __init__(self, quote: str = JSON) -> None:
        self.fence = False  # whether it holds a backtick outside of strings, as no JSON does
        self._marks = (quote,) if quote else ("'", JSON)
        brackets = r"[{}\[\]`]" if quote == JSON else r"[(){}\[\]]"
        self._outside = re.compile("|".join((*map(re.escape, self._marks), brackets)))
        self._behind = None if quote else re.compile(_BEHIND)
        self._escapes = quote in (JSON, PYTHON)
        self._string: re.Pattern[str] | None = None  # what may end the string that is open
        self._at = self._depth = 0
        self._end: int | None = None

    def end(self, text: str) -> int | None:
        """Return the end of the object that `text` begins with; None while it is not complete.

        `text` is that of the last call and what has come since.
        """
        while self._end is None:
            found = (self._string or self._outside).search(text, self._at)
            if found is None:
                self._wait(text)
                return None
            if not self._take(text, found):
                return None
        return self._end

    def _wait(self, text: str) -> None:
        """Go to the end, but for a mark or an escape that may be cut there."""
        size = max(map(len, self._marks))
        held = size - 1 or int(self._escapes and text.endswith("\\"))
        self._at = max(self._at, len(text) - held)

    def _take(self, text: str, found: re.Match[str]) -> bool:
        """Take a mark, an escape or a bracket; return whether `text` tells enough to go on."""
        word, end = found[0], found.end()
        if self._string is None and word in self._marks:
            inside = re.escape(word)
            self._string = re.compile(rf"\\.|{inside}" if self._escapes else inside, re.DOTALL)
        elif self._string is None:
            self.fence = self.fence or word == "`"
            self._depth += 1 if word in "({[" else -(word in ")}]")
            self._end = end if self._depth <= 0 and word != "`" else None
        elif word in self._marks:
            if self._behind is not None and not text[end:].strip():
                return False
            if self._behind is None or self._behind.match(text, end):
                self._string = None
        self._at = end
        return True


def literal(text: str, quote: str, equals: str) -> dict[str, object]:
    """Return the arguments in `text`, which stand in brackets, with `equals` behind their keys.

    Raises ValueError and RecursionError.
    """
    return _Literal(text, quote).object(equals)


def python_value(text: str) -> object:
    """Return the value in `text`, which may be as Python prints it, or else the text itself."""
    reader = _Literal(f"{text})", PYTHON)
    try:
        value = reader.value()
        return value if reader.is_done() else text
    except (ValueError, IndexError, KeyError, RecursionError):
        return text


class _Literal:
    """Reads objects whose keys may be bare and whose strings are in the marks of `quote`."""

    def __init__(self, text: str, quote: str) -> None:
        self._text, self._at = text, 0
        if quote:
            string = rf"{re.escape(quote)}(.*?){re.escape(quote)}"
        else:
            string = rf"(?P<q>['\"])((?:\\.|[^\\])*?)(?P=q)(?={_BEHIND})"
        self._string, self._escapes = re.compile(string, re.DOTALL), not quote

    def object(self, equals: str) -> dict[str, object]:
        end = {"(": ")", "{": "}"}[self._next()]
        self._at += 1
        found: dict[str, object] = {}
        while self._more(end):
            key = self._quoted()
            if key is None:
                key = self._until(equals).strip()
            self._skip(equals)
            found[key] = self.value()
        return found

    def value(self) -> object:
        text = self._quoted()
        if text is not None:
            return text
        if self._next() == "{":
            return self.object(":")
        if self._text[self._at] in "[(":
            return self._list()
        word = _BARE.match(self._text, self._at)
        assert word is not None
        self._at = word.end()
        return _word(word[0].strip())

    def is_done(self) -> bool:
        """Return whether only a closing bracket is left to read."""
        return self._text[self._at :].strip() == ")"

    def _list(self) -> list[object]:
        end = {"(": ")", "[": "]"}[self._text[self._at]]
        self._at += 1
        found: list[object] = []
        while self._more(end):
            found.append(self.value())
        return found

    def _more(self, end: str) -> bool:
        """Skip a comma; return whether there is another item before `end`, which is skipped."""
        if self._next() == ",":
            self._at += 1
        if self._next() != end:
            return True
        self._at += 1
        return False

    def _quoted(self) -> str | None:
        self._next()
        found = self._string.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        text: str = found[found.lastindex or 1]
        return _ESCAPE.sub(_unescaped, text) if self._escapes else text

    def _until(self, mark: str) -> str:
        end = self._text.index(mark, self._at)
        text, self._at = self._text[self._at : end], end
        return text

    def _skip(self, mark: str) -> None:
        if self._next() != mark:
            raise ValueError(f"expected {mark!r} at {self._at}")
        self._at += 1

    def _next(self) -> str:
        """Go to the next character that is no space, and return it."""
        found = _SOLID.search(self._text, self._at)
        if found is None:
            raise ValueError("the text ends within an object")
        self._at = found.start()
        return found[0]


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPED.get(code, found[0])


def _word(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        if not text:
            raise
        return _WORDS.get(text, text)
