"""The tokens of a text that goes on from another one."""

from __future__ import annotations

from collections.abc import Callable


def going_on(cut: Callable[[str], list[int]], text: str) -> list[int]:
    """What `cut` makes of `text`, without the space that it may put before what it is given.

    That space is put before a newline in its place, whose tokens are then left out again.
    """
    before, all_of_it = cut("\n"), cut("\n" + text)
    if all_of_it[: len(before)] == before:
        return all_of_it[len(before) :]
    return cut(text)  # the text begins with more of them, which are one token with the first
