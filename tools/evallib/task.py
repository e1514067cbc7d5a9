"""What a task is: questions, how they are put, and how answers are judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evallib import EvalError
from evallib.item import Item, Row, read_rows


@dataclass(frozen=True)
class Judged:
    """Whether an answer is right. `answer` is what was read out of it; None: nothing was found.

    `why` says what was wrong where that is more than another answer.
    """

    correct: bool
    answer: str | None
    why: str = ""


class Task(ABC):
    """One data set. `file` lies below the folder of data; an answer has at most `max_tokens`."""

    name: ClassVar[str]
    file: ClassVar[str]
    max_tokens: ClassVar[int]

    def items(self, data: Path) -> list[Item]:
        """All questions in `data`; raises EvalError."""
        rows = read_rows(data, self.file)
        return [self._item(number, row) for number, row in enumerate(rows)]

    @abstractmethod
    def item(self, number: int, row: Row) -> Item:
        """The question of line `number`, which counts from 0; raises KeyError and the like."""

    @abstractmethod
    def judge(self, item: Item, text: str) -> Judged:
        """Hold the answer `text` against the reference."""

    def _item(self, number: int, row: Row) -> Item:
        try:
            return self.item(number, row)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            where = f"{self.file}, row {number + 1}"
            raise EvalError(f"{where}: not as {self.name} has it: {error!r}") from error
