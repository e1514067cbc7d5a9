"""What a task is: questions, how they are put, and how answers are judged."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from evallib import EvalError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """A question: `id` within its task, what the model reads, and what the answer is held against.

    `reference` is what the task's `judge` understands: a number, a letter, a program's tests.
    """

    id: str
    prompt: str
    reference: Any


def read_rows(data: Path, name: str) -> list[Row]:
    """The objects in the JSON lines of the file `name` below `data`; raises EvalError."""
    if not data.is_dir():
        raise EvalError(f"{data} is no folder: name the one that holds {name} with --data")
    path = data / name
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        why = error.strerror or error
        raise EvalError(f"{path}: {why}; --data names the folder that holds {name}") from error
    return [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def sample(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """The first `limit` of all `items` in an order that only `seed` and their ids decide.

    So a longer sample begins with every shorter one. None: all.
    """
    chosen = sorted(items, key=lambda item: item.id)
    random.Random(seed).shuffle(chosen)
    return chosen[:limit]


def _row(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise EvalError(f"{path}:{number}: no JSON: {error}") from error
    if not isinstance(row, dict):
        raise EvalError(f"{path}:{number}: expected an object, got {line[:60]!r}")
    return row


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
        """Return all questions in `data`; raise EvalError."""
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
