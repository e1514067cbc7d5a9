"""What the daemon tells, as text for people, and the screen that shows it."""

from __future__ import annotations

import io
import math
import os
import sys
import textwrap
from typing import Any, TextIO, cast

import click

_KEPT = {ord("\n"), ord("\t")}
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in _KEPT}
MISSING = "-"
SINGLE = "single"


def clean(text: str) -> str:
    """`text` without control characters but newline and tab.

    A terminal takes them as orders: to move the cursor, to change the title, to answer back.
    """
    return text.translate(_CONTROL)


Json = dict[str, Any]
"""A JSON object."""


def number(value: object) -> float | None:
    """Return a finite number; None for everything that is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if math.isfinite(figure) else None


def fixed(value: object, decimals: int) -> str:
    """Return a figure with `decimals` decimals, for columns of figures."""
    figure = number(value)
    return MISSING if figure is None else f"{figure:.{decimals}f}"


def significant(value: object, digits: int = 3) -> str:
    """Return a figure with `digits` significant digits, and all before the point."""
    figure = number(value)
    if figure is None:
        return MISSING
    text = f"{figure:#.{digits}g}".rstrip(".")
    return f"{figure:.0f}" if "e+" in text else text


def percent(value: object) -> str:
    """Return a share of 1 in percent."""
    share = number(value)
    return MISSING if share is None else f"{100 * share:.0f} %"


def size(value: object) -> str:
    """Return bytes in the unit that leaves up to four digits."""
    count = number(value)
    if count is None:
        return MISSING
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def duration(value: object) -> str:
    """Seconds; from a minute on in minutes, from an hour on in hours, from a day on in days."""
    seconds = number(value)
    if seconds is None or seconds < 60:
        return MISSING if seconds is None else f"{seconds:.3g} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def joules(value: object) -> str:
    """Return an energy with its unit: J, kJ or MJ."""
    figure = number(value)
    if figure is None:
        return MISSING
    for unit in ("J", "kJ"):
        if abs(figure) < 10_000:
            return f"{significant(figure)} {unit}"
        figure /= 1000
    return f"{significant(figure)} MJ"


def whole(value: object) -> str:
    """Return a count."""
    return fixed(value, 0)


def counted(value: object, thing: str) -> str:
    """Return a count of things whose plural ends in s."""
    return f"{whole(value)} {thing}{'' if number(value) == 1 else 's'}"


def line(value: object) -> str:
    """Text from elsewhere as one line without control characters; a dash for None."""
    return MISSING if value is None else " ".join(clean(str(value)).split())


def lines(document: Json, name: str) -> list[str] | None:
    """Return the texts in the list of that name, a line each; None where there is no list."""
    value: object = document.get(name)
    if not isinstance(value, list):
        return None
    return [line(item) for item in cast("list[object]", value)]


def simulated(document: Json) -> str | None:
    """Return a sentence for figures of a simulated board; None where they are a real board's."""
    board = document.get("simulated")
    return f"Simulated board {line(board)}: the figures are not this machine's." if board else None


def member(document: Json, name: str) -> Json:
    """Return the object of that name; empty where there is none."""
    value: object = document.get(name)
    return cast(Json, value) if isinstance(value, dict) else {}


def members(document: Json, name: str) -> list[Json]:
    """Return the objects in the list of that name; none where there is no list."""
    value: object = document.get(name)
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast(Json, item) for item in items if isinstance(item, dict)]


def making(told: Json) -> str:
    """Say which model wrote an answer, or how many drafted tokens were kept; "" for one alone."""
    mode, kept, lost = told.get("mode"), told.get("accepted_tokens"), told.get("rejected_tokens")
    small, large = number(told.get("small_tokens")), number(told.get("large_tokens"))
    if mode in (None, SINGLE):
        return ""
    if small is None or large is None:
        return line(mode)
    if line(mode).startswith("switch"):
        share = 100 * large / max(1, small + large)
        return f"{line(mode)}: {fixed(share, 0)} % by the large model"
    drafts = (number(kept) or 0) + (number(lost) or 0)
    return f"{line(mode)}: {whole(kept)} of {whole(drafts)} drafted tokens kept"


class Screen:
    """Writes text as it comes; on a terminal without control characters, elsewhere untouched."""

    def __init__(self) -> None:
        # The shell may have closed standard output: then there is none, and nobody reads.
        self._stream: TextIO = sys.stdout or io.StringIO()
        # A character that the terminal's encoding lacks is no reason to lose the answer.
        if reconfigure := getattr(self._stream, "reconfigure", None):
            reconfigure(errors="replace")
        self._terminal = self._stream.isatty()
        self._last = "\n"

    def write(self, text: str) -> None:
        """Show `text` at once."""
        text = clean(text) if self._terminal else text
        self._stream.write(text)
        self._stream.flush()
        self._last = text[-1:] or self._last

    def end(self) -> None:
        """Go to the start of a line, unless already there."""
        if self._last != "\n":
            self.write("\n")


def columns(stream: TextIO | None) -> int | None:
    """Return the width of the terminal that `stream` writes to; None where it is none."""
    try:
        return os.get_terminal_size(-1 if stream is None else stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def fitted(text: str, stream: TextIO | None) -> str:
    """Return `text`, where `stream` is a terminal in lines of whole words that fit into it."""
    width = columns(stream)
    if width is None:
        return text
    words = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    made: list[str] = []
    for one in text.split("\n"):
        words.subsequent_indent = "    " if one.startswith(" ") else ""
        made.append(words.fill(one))
    return "\n".join(made)


def say(text: str) -> None:
    """Print sentences without control characters."""
    click.echo(fitted(clean(text), sys.stdout))


def note(text: str) -> None:
    """Say something about the command itself, on standard error so that it is in no pipe."""
    click.secho(fitted(clean(text), sys.stderr), err=True, dim=True)
