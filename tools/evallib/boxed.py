r"""What stands in the last \boxed{} of an answer."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")


def last_boxed(text: str) -> str | None:
    r"""The content of the last \boxed or \fbox that is complete; None where there is none."""
    for found in reversed(list(_BOX.finditer(text))):
        if (content := _argument(text, found.end())) is not None:
            return content
    return None


def _argument(text: str, at: int) -> str | None:
    """The argument of a command that ends at `at`: what is in braces, or one character."""
    if at >= len(text):
        return None
    if text[at] != "{":
        return text[at]
    end = closing(text, at)
    return None if end is None else text[at + 1 : end]


def closing(text: str, at: int) -> int | None:
    """Where the brace is that closes the one at `at`; None where nothing does."""
    depth = 0
    for place in range(at, len(text)):
        if place and text[place - 1] == "\\":
            continue  # \{ and \} are shown, not obeyed
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return None
