"""MMLU: questions of 57 subjects with four choices."""

from __future__ import annotations

from typing_extensions import override

from evallib.item import Item, Row
from evallib.tasks.arc import Arc, choice_item


class Mmlu(Arc):
    """Judged as ARC is."""

    name = "mmlu"
    file = "mmlu/mmlu_test_20_per_subject.jsonl"

    @override
    def item(self, number: int, row: Row) -> Item:
        id = f"{number:04}-{row['subject']}"
        return choice_item(id, row["question"], row["choices"], row["answer"])
