"""The data sets: questions, how they are put, and how answers are judged."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from typing_extensions import override

from evallib.result import last_number, letter_of, letters, put, same_number
from evallib.sandbox import Outcome, run
from evallib.task import Item, Judged, Row, Task

_FENCE = re.compile(r"```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON = ("", "py", "python", "python3")
_BEGIN = re.compile(r"^(?:(?:from|import|def|async def|class)\b|@)", re.MULTILINE)
_NUMBER = "Reason step by step. End with the result as a plain number, after ####."
_COMPLETE = (
    "Complete this function. Answer with all of it in one block of Python, without examples."
)


@dataclass(frozen=True)
class Problem:
    """A function's beginning up to its body, its name, and tests: a function `check` of it."""

    prompt: str
    entry_point: str
    test: str

    @property
    def preamble(self) -> str:
        """What stands in the prompt before the function: imports and helpers."""
        return self.prompt[: self._begin()]

    def defined_in(self, code: str) -> bool:
        """Return whether `code` has the function."""
        return bool(re.search(self._definition, code, re.MULTILINE))

    def _begin(self) -> int:
        found = list(re.finditer(self._definition, self.prompt, re.MULTILINE))
        return found[-1].start() if found else 0

    @property
    def _definition(self) -> str:
        return rf"^[ \t]*(?:async )?def {re.escape(self.entry_point)}\s*\("


def function_of(text: str, problem: Problem) -> str | None:
    """The code in `text` that has the function, with all that it needs; None where there is none.

    That is the first block which defines it; else the last block, or a text without blocks, as
    the function's body.
    """
    blocks = [code for kind, code in _FENCE.findall(text) if kind.lower() in _PYTHON]
    for code in blocks or [_without_talk(text)]:
        if problem.defined_in(code):
            return problem.preamble + textwrap.dedent(code)
    body = blocks[-1] if blocks else text
    return problem.prompt.rstrip() + "\n" + _indented(body) if body.strip() else None


def program_of(code: str, problem: Problem) -> str:
    """A program that ends without an error where `code` passes the tests."""
    return f"{code}\n\n{problem.test}\n\ncheck({problem.entry_point})\n"


def _without_talk(text: str) -> str:
    """From the first line on that begins like a program."""
    begin = _BEGIN.search(text)
    return text[begin.start() :] if begin else text


def _indented(body: str) -> str:
    """`body` as deep as a function's; the first line may have lost its blanks on the way."""
    lines = body.strip("\n").splitlines()
    deeper = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    lost = not lines[0].startswith(" ") and not lines[0].rstrip().endswith(":")
    if lost and deeper and min(deeper) >= 4:
        lines[0] = " " * min(deeper) + lines[0]
    return textwrap.indent(textwrap.dedent("\n".join(lines)), "    ")


class Arc(Task):
    """ARC-Challenge: questions of natural science with choices. The letter that is named counts."""

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


class Gsm8k(Task):
    """GSM8K: school mathematics in words. The last number of the answer counts."""

    name = "gsm8k"
    file = "gsm8k/test.jsonl"
    max_tokens = 400

    @override
    def item(self, number: int, row: Row) -> Item:
        result = row["answer"].rpartition("####")[2].strip().replace(",", "")
        return Item(f"{number:04}", f"{row['question'].strip()}\n\n{_NUMBER}", result)

    @override
    def judge(self, item: Item, text: str) -> Judged:
        answer = last_number(text)
        return Judged(same_number(answer, item.reference), answer)


class Svamp(Gsm8k):
    """SVAMP: small sums in words, asked in ways that mislead. Judged as GSM8K is."""

    name = "svamp"
    file = "math/svamp.jsonl"
    max_tokens = 256

    @override
    def item(self, number: int, row: Row) -> Item:
        return Item(f"{number:04}", f"{row['context'].strip()}\n\n{_NUMBER}", row["answer"].strip())


class HumanEval(Task):
    """HumanEval: functions to be written, which must pass their tests.

    The function is run with the tests; it must end without an error.
    """

    name = "humaneval"
    file = "code/HumanEval.jsonl"
    max_tokens = 512

    def __init__(self, run: Callable[[str], Outcome] = run) -> None:
        self._run = run

    @override
    def item(self, number: int, row: Row) -> Item:
        problem = Problem(row["prompt"], row["entry_point"], row["test"])
        fenced = f"```python\n{problem.prompt.strip()}\n```"
        return Item(row["task_id"], f"{_COMPLETE}\n\n{fenced}", problem)

    @override
    def judge(self, item: Item, text: str) -> Judged:
        code = function_of(text, item.reference)
        if code is None:
            return Judged(False, None, "no code")
        outcome = self._run(program_of(code, item.reference))
        return Judged(outcome.passed, code, outcome.why)


_ALL = (Gsm8k, HumanEval, Arc, Svamp)
NAMES = tuple(kind.name for kind in _ALL)


def task_of(name: str) -> Task:
    """The task of that name; raises KeyError."""
    return {kind.name: kind for kind in _ALL}[name]()
