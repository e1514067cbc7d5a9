"""From an answer to a program that tests it."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

_FENCE = re.compile(r"```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON = ("", "py", "python", "python3")
_BEGIN = re.compile(r"^(?:(?:from|import|def|async def|class)\b|@)", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """A function's beginning up to its body, its name, and tests: a function `check` of it."""

    prompt: str
    entry_point: str
    test: str

    @property
    def preamble(self) -> str:
        """What stands in the prompt before the function: imports and helpers."""
        return self.prompt[: self._begin()]

    def defined_in(self, code: str) -> bool:
        """Whether `code` has the function."""
        return bool(re.search(self._definition, code, re.MULTILINE))

    def _begin(self) -> int:
        found = list(re.finditer(self._definition, self.prompt, re.MULTILINE))
        return found[-1].start() if found else 0

    @property
    def _definition(self) -> str:
        return rf"^[ \t]*(?:async )?def {re.escape(self.entry_point)}\s*\("


def function_of(text: str, problem: Problem) -> str | None:
    """The code in `text` that has the function, with all that it needs; None where there is none.

    That is the first block which defines it; else the last block, or a text without blocks, as
    the function's body.
    """
    blocks = [code for kind, code in _FENCE.findall(text) if kind.lower() in _PYTHON]
    for code in blocks or [_without_talk(text)]:
        if problem.defined_in(code):
            return problem.preamble + textwrap.dedent(code)
    body = blocks[-1] if blocks else text
    return problem.prompt.rstrip() + "\n" + _indented(body) if body.strip() else None


def program_of(code: str, problem: Problem) -> str:
    """A program that ends without an error where `code` passes the tests."""
    return f"{code}\n\n{problem.test}\n\ncheck({problem.entry_point})\n"


def _without_talk(text: str) -> str:
    """From the first line on that begins like a program."""
    begin = _BEGIN.search(text)
    return text[begin.start() :] if begin else text


def _indented(body: str) -> str:
    """`body` as deep as a function's; the first line may have lost its blanks on the way."""
    lines = body.strip("\n").splitlines()
    deeper = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    lost = not lines[0].startswith(" ") and not lines[0].rstrip().endswith(":")
    if lost and deeper and min(deeper) >= 4:
        lines[0] = " " * min(deeper) + lines[0]
    return textwrap.indent(textwrap.dedent("\n".join(lines)), "    ")
