"""MATH-500: problems of competitions, whose results are formulas."""

from __future__ import annotations

from typing_extensions import override

from evallib.boxed import last_boxed
from evallib.formula import same_formula
from evallib.item import Item, Row
from evallib.task import Judged, Task

_ASKED = r"Reason step by step, and put the final answer within \boxed{}."


class Math500(Task):
    """What is in the last box counts."""

    name = "math500"
    file = "math/math500.jsonl"
    max_tokens = 800

    @override
    def item(self, number: int, row: Row) -> Item:
        return Item(row["unique_id"], f"{row['problem'].strip()}\n\n{_ASKED}", row["answer"])

    @override
    def judge(self, item: Item, text: str) -> Judged:
        answer = last_boxed(text)
        return Judged(answer is not None and same_formula(answer, item.reference), answer)
