"""MT-bench: requests as people put them, without a reference to hold answers against."""

from __future__ import annotations

from typing_extensions import override

from evallib.item import Item, Row
from evallib.task import Judged, Task


class MtBench(Task):
    """The first turns; nobody says whether an answer is right."""

    name = "mtbench"
    file = "prompts/mt_bench_question.jsonl"
    max_tokens = 128

    @override
    def item(self, number: int, row: Row) -> Item:
        return Item(f"{row['question_id']:03}", row["turns"][0].strip(), None)

    @override
    def judge(self, item: Item, text: str) -> Judged:
        return Judged(False, None, "there is no reference")
