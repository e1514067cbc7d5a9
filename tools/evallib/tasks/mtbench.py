"""MT-bench: requests as people put them, without a reference to hold answers against."""

from __future__ import annotations

from evallib.item import Item, Row
from evallib.task import Judged, Task


class MtBench(Task):
    """The first turns; nobody says whether an answer is right."""

    name = "mtbench"
    file = "prompts/mt_bench_question.jsonl"
    max_tokens = 128

    def item(self, number: int, row: Row) -> Item:
        """See Task."""
        return Item(f"{row['question_id']:03}", row["turns"][0].strip(), None)

    def judge(self, item: Item, text: str) -> Judged:
        """See Task."""
        return Judged(False, None, "there is no reference")
