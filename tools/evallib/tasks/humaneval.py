"""HumanEval: functions to be written, which must pass their tests."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from evallib.item import Item, Row
from evallib.program import Problem, function_of, program_of
from evallib.sandbox.run import Outcome, run
from evallib.task import Judged, Task

_ASKED = "Complete this function. Answer with all of it in one block of Python, without examples."


class HumanEval(Task):
    """The function is run with the tests; it must end without an error."""

    name = "humaneval"
    file = "code/HumanEval.jsonl"
    max_tokens = 512

    def __init__(self, run: Callable[[str], Outcome] = run) -> None:
        self._run = run

    @override
    def item(self, number: int, row: Row) -> Item:
        problem = Problem(row["prompt"], row["entry_point"], row["test"])
        fenced = f"```python\n{problem.prompt.strip()}\n```"
        return Item(row["task_id"], f"{_ASKED}\n\n{fenced}", problem)

    @override
    def judge(self, item: Item, text: str) -> Judged:
        code = function_of(text, item.reference)
        if code is None:
            return Judged(False, None, "no code")
        outcome = self._run(program_of(code, item.reference))
        return Judged(outcome.passed, code, outcome.why)
