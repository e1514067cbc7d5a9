"""Text from elsewhere, made safe to show on a terminal."""

from __future__ import annotations

_KEPT = {ord("\n"), ord("\t")}
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in _KEPT}


def clean(text: str) -> str:
    """`text` without control characters but newline and tab.

    A terminal takes them as orders: to move the cursor, to change the title, to answer back.
    """
    return text.translate(_CONTROL)
