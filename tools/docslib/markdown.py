"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; `|` and line breaks in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def page(title: str, *blocks: str) -> str:
    """Return a page: a heading, and blocks with an empty line between them."""
    return "\n\n".join([f"# {title}", *(block for block in blocks if block)]) + "\n"


def code(text: str) -> str:
    """Return `text` as inline code; a `|` in backticks would end the cell of a table."""
    if "|" in text:
        return f"<code>{escape(text).replace('|', '&#124;')}</code>"
    return f"`{text}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
