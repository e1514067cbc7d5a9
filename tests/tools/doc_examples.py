"""The examples of README and docs/: command lines, mentions of commands, and YAML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted(
    [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").rglob("*.md")]
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_ENDS = frozenset("|;&(){}<>")
_ASSIGNMENT = re.compile(r"\w+=\S*")


class Example(NamedTuple):
    """One command as it stands in a page."""

    page: str
    words: tuple[str, ...]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield page and text of each fenced block in that language."""
    for page in PAGES:
        for found, text in _BLOCK.findall(page.read_text()):
            if found == language:
                yield str(page.relative_to(CHECKOUT)), text


def command_lines() -> list[Example]:
    """Return the commands of edge_rt in all blocks of shell, without redirections and sudo."""
    found = (
        Example(page, words)
        for page, text in blocks("sh")
        for line in _lines(text)
        for words in _commands(line)
    )
    return [example for example in found if is_ours(example.words[0])]


def mentions() -> list[Example]:
    """Return the commands of edge_rt that stand within sentences; they may be incomplete."""
    found: list[Example] = []
    for page in PAGES:
        text = _BLOCK.sub("", page.read_text())
        for code in _INLINE.findall(text):
            words = [word for each in _commands(" ".join(code.split())) for word in each]
            if words and is_ours(words[0]):
                found.append(Example(str(page.relative_to(CHECKOUT)), tuple(words)))
    return found


def is_ours(program: str) -> bool:
    """Return whether a word is one of our programs."""
    return program == "edge-rt" or re.fullmatch(r"tools/\w+", program) is not None


def _lines(text: str) -> Iterator[str]:
    """The logical lines: quotes and backslashes may go on in the next one."""
    pending = ""
    for line in text.splitlines():
        pending += line + "\n"
        try:
            if not line.endswith(("\\", "|")):
                shlex.split(pending, comments=True)
                yield pending
                pending = ""
        except ValueError:  # within quotes
            continue


def _commands(line: str) -> Iterator[tuple[str, ...]]:
    text = line.replace("\\\n", " ").replace("$$", "1")  # $$: the number of a process
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        tokens = list(lexer)
    except ValueError:
        return
    for token in [*tokens, ";"]:
        if set(token) <= _ENDS or token in ("{", "}"):
            if words:
                yield tuple(words)
            words = []
        elif words or not (token == "sudo" or _ASSIGNMENT.fullmatch(token)):
            words.append(token)
