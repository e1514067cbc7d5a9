"""GSM8K: school mathematics in words."""

from __future__ import annotations

from typing_extensions import override

from evallib.item import Item, Row
from evallib.number import last_number, same_number
from evallib.task import Judged, Task

ASKED = "Reason step by step. End with the result as a plain number, after ####."


class Gsm8k(Task):
    """The last number of the answer counts."""

    name = "gsm8k"
    file = "gsm8k/test.jsonl"
    max_tokens = 400

    @override
    def item(self, number: int, row: Row) -> Item:
        result = row["answer"].rpartition("####")[2].strip().replace(",", "")
        return Item(f"{number:04}", f"{row['question'].strip()}\n\n{ASKED}", result)

    @override
    def judge(self, item: Item, text: str) -> Judged:
        answer = last_number(text)
        return Judged(same_number(answer, item.reference), answer)
