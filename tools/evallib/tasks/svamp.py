"""SVAMP: small sums in words, asked in ways that mislead."""

from __future__ import annotations

from typing_extensions import override

from evallib.item import Item, Row
from evallib.tasks.gsm8k import ASKED, Gsm8k


class Svamp(Gsm8k):
    """Judged as GSM8K is."""

    name = "svamp"
    file = "math/svamp.jsonl"
    max_tokens = 256

    @override
    def item(self, number: int, row: Row) -> Item:
        return Item(f"{number:04}", f"{row['context'].strip()}\n\n{ASKED}", row["answer"].strip())
