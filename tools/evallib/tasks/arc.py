"""ARC-Challenge: questions of natural science with choices."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from evallib.item import Item, Row
from evallib.letter import letter_of, letters, put
from evallib.task import Judged, Task


class Arc(Task):
    """The letter that is named counts."""

    name = "arc"
    file = "arc/arc_challenge_test.jsonl"
    max_tokens = 256  # some models think it over, however they are asked

    @override
    def item(self, number: int, row: Row) -> Item:
        question = row["query"].removeprefix("Question:")
        return choice_item(f"{number:04}", question, row["choices"], row["gold"])

    @override
    def judge(self, item: Item, text: str) -> Judged:
        choices, right = item.reference
        answer = letter_of(text, choices)
        return Judged(answer == right, answer)


def choice_item(id: str, question: str, choices: Sequence[str], right: int) -> Item:
    """A question with choices, of which number `right` is; raises IndexError."""
    return Item(id, put(question, choices), (tuple(choices), letters(choices)[right]))
