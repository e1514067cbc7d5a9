"""The questions, with what a checker or a vote makes of an answer."""

from __future__ import annotations

import ast
import doctest
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from typing_extensions import override

from evallib.sandbox import run
from evallib.task import Item, Judged, Row, Task, read_rows
from evallib.tasks import Arc, Gsm8k, HumanEval, Problem, Svamp, function_of

_SHOWN = re.compile(r"^\W*(?:for )?(\w+\(.*\))\s*(?:==>|==|=>|->|\u279e|returns|=)\s*(\S.*?)\s*$")
_NAMES = {"true": "True", "false": "False", "null": "None"}
_JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
_LOOSE = re.compile(r"[ ,./\-_*^'\"]")


@dataclass(frozen=True)
class Verified:
    """What is made of an answer: whether it is right, by what it votes, whether a check passed it.

    `passed` None: nothing can check it.
    """

    correct: bool
    vote: str | None
    passed: bool | None = None


def verified(task: Task, item: Item, message: dict[str, Any]) -> Verified:
    """Judge the message of an answer by the reference, and by what a runtime could know."""
    if isinstance(task, Calls):
        calls = [one["function"] for one in message.get("tool_calls") or []]
        vote = canonical_calls(calls) if calls else None
        return Verified(task.right(item, calls), vote)
    text = message.get("content") or ""
    if isinstance(item.reference, Problem):
        return _code(text, item.reference)
    judged = task.judge(item, text)
    return Verified(judged.correct, judged.answer)


def canonical_calls(calls: Sequence[dict[str, Any]]) -> str:
    """Return JSON that is the same for calls of the same names and arguments."""
    said = [[one["name"], _arguments(one["arguments"])] for one in calls]
    return json.dumps(said, sort_keys=True)


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _code(text: str, problem: Problem) -> Verified:
    code, shown = function_of(text, problem), list(examples(problem))
    if code is None:
        return Verified(False, None, False if shown else None)
    hidden = run(f"{code}\n\n{hidden_tests(problem)}\n\ncheck({problem.entry_point})\n")
    if not shown:
        return Verified(hidden.passed, None)
    tests = "\n".join(f"assert ({call}) == ({result})" for call, result in shown)
    return Verified(hidden.passed, None, run(f"{code}\n\n{tests}\n").passed)


def examples(problem: Problem) -> Iterator[tuple[str, str]]:
    """Yield calls of the function that its text shows, with their results, as expressions."""
    docstring = problem.prompt.split("def " + problem.entry_point, 1)[1]
    docstring = re.sub(r"(?:\"{3}|'{3})\s*$", "", docstring)
    found = [
        (one.source.strip(), one.want.strip().partition("\n")[0]) for one in _doctests(docstring)
    ]
    found += [match.groups() for line in docstring.splitlines() if (match := _SHOWN.match(line))]
    for call, result in found:
        result = _NAMES.get(result, result).rstrip(".;")
        if call.startswith(problem.entry_point + "(") and _known(call) and _known(result):
            yield call, result


def _doctests(text: str) -> list[doctest.Example]:
    try:
        return doctest.DocTestParser().get_examples(text)
    except ValueError:
        return []


def _known(expression: str) -> bool:
    """Return whether it parses, and names nothing but what it calls."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return False
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return all(id(node) in called for node in names)


def hidden_tests(problem: Problem) -> str:
    """Return the tests without those that an example shows; all of them where none is left."""
    shown = {
        ast.dump(call)
        for text, _ in examples(problem)
        for call in ast.parse(text, mode="eval").body.args  # type: ignore[attr-defined]
    }
    tree = ast.parse(problem.test)
    check = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check")
    kept = [node for node in check.body if not _shows(node, shown)]
    if any(not isinstance(node, ast.Pass) for node in kept):
        check.body = kept
    return ast.unparse(tree)


def _shows(node: ast.stmt, shown: set[str]) -> bool:
    if not isinstance(node, ast.Assert):
        return False
    calls = [
        one
        for one in ast.walk(node)
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "candidate"
    ]
    return bool(calls) and all(ast.dump(arg) in shown for one in calls for arg in one.args)


class Calls(Task):
    """BFCL: a question, functions, and the calls that are right, simple ones and of several."""

    name = "bfcl"
    file = "bfcl/BFCL_v4_multiple.json"
    max_tokens = 200

    @override
    def items(self, data: Path) -> list[Item]:
        found: list[Item] = []
        for kind in ("simple_python", "multiple"):
            rows = read_rows(data, f"bfcl/BFCL_v4_{kind}.json")
            right = read_rows(data, f"bfcl/possible_answer/BFCL_v4_{kind}.json")
            truth = {row["id"]: row["ground_truth"] for row in right}
            found += [self.item(0, {**row, "truth": truth[row["id"]]}) for row in rows]
        return found

    @override
    def item(self, number: int, row: Row) -> Item:
        tools = [{"type": "function", "function": _function(one)} for one in row["function"]]
        return Item(row["id"], row["question"][0][-1]["content"], (tools, row["truth"]))

    @override
    def judge(self, item: Item, text: str) -> Judged:
        raise NotImplementedError("calls are judged by `right`")

    def right(self, item: Item, calls: Sequence[dict[str, Any]]) -> bool:
        """Return whether it is the one call that is wanted, with values that are allowed."""
        [wanted] = item.reference[1]
        if len(calls) != 1 or calls[0]["name"] not in wanted:
            return False
        given, allowed = _arguments(calls[0]["arguments"]), wanted[calls[0]["name"]]
        return (
            isinstance(given, dict)
            and given.keys() <= allowed.keys()
            and all(_allowed(given.get(name, ""), values) for name, values in allowed.items())
        )


def _allowed(value: Any, values: Sequence[Any]) -> bool:
    return any(_same(value, one) for one in values)


def _same(value: Any, wanted: Any) -> bool:
    """Compare as BFCL does: texts without marks and cases, lists by their items."""
    if isinstance(value, str) and isinstance(wanted, str):
        return _LOOSE.sub("", value).lower() == _LOOSE.sub("", wanted).lower()
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        told = all(_allowed(value.get(key, ""), values) for key, values in wanted.items())
        return value.keys() <= wanted.keys() and told
    return (type(value) is not bool and value == wanted) or value is wanted


def _function(given: Any) -> Any:
    """Return a function of BFCL with JSON Schema's names of types."""
    text = json.dumps(given)
    for old, new in _JSON_TYPES.items():
        text = text.replace(f'"type": "{old}"', f'"type": "{new}"')
    return msgspec.json.decode(text)


TASKS: dict[str, type[Task]] = {kind.name: kind for kind in (HumanEval, Calls, Svamp, Arc, Gsm8k)}
