"""Mutants: copies of the source that differ by one fault, and a sample of them."""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mutatelib.operators import faults

_EXPRESSIONS = (ast.BoolOp, ast.BinOp, ast.Compare, ast.IfExp, ast.Lambda, ast.UnaryOp)


@dataclass(frozen=True)
class Mutant:
    """One fault: in the function `name` of the file at `path`, `after` stands for `before`."""

    path: str  # from the root of the checkout
    name: str
    before: str
    after: str
    number: int  # of several equal ones in that function
    lines: range  # of the statement's beginning and of the fault
    text: str  # of the whole file

    @property
    def key(self) -> str:
        """What it is known by, wherever the function lies in its file."""
        return f"{self.path} {self.name} {self.before} -> {self.after} #{self.number}"

    def diff(self, source: str) -> str:
        """Return the fault as a patch of `source`."""
        old, new = source.splitlines(), self.text.splitlines()
        return "\n".join(difflib.unified_diff(old, new, self.path, self.path, "", "", 2, ""))


def draw(mutants: Iterable[Mutant], seed: int, count: int) -> list[Mutant]:
    """Draw `count` of them; where some code changes, most of the sample stays the same."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed} {mutant.key}".encode()).digest()

    return sorted(mutants, key=rank)[:count]


def mutants(root: Path, path: str) -> Iterator[Mutant]:
    """Yield every fault in functions of the file.

    Names and constants of a module or class are left out, as mutmut does, and annotations; so are
    `assert` and what is only logged.
    """
    source = (root / path).read_text()
    seen: Counter[tuple[str, str, str]] = Counter()
    for name, statement, node in _nodes(ast.parse(source), "", None):
        begin, end = _span(source, node)
        before = source[begin:end]
        for fault in faults(node):
            after = ast.unparse(fault)
            if isinstance(fault, _EXPRESSIONS) and not isinstance(node, type(fault)):
                after = f"({after})"
            number = seen[name, before, after]
            seen[name, before, after] += 1
            lines = range(statement.lineno, (node.end_lineno or node.lineno) + 1)
            text = source[:begin] + after + source[end:]
            yield Mutant(path, name, before, after, number, lines, text)


def _nodes(
    node: ast.AST, name: str, statement: ast.stmt | None
) -> Iterator[tuple[str, ast.stmt, ast.expr | ast.stmt]]:
    """Yield what lies in functions, with the name of the function and the statement around it."""
    if isinstance(node, (ast.Assert, ast.JoinedStr)) or _logs(node):
        return
    inside = statement
    if isinstance(node, ast.stmt) and statement is not None:
        inside = node
    if isinstance(node, (ast.expr, ast.stmt)) and inside is not None:
        yield name, inside, node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        name = f"{name}.{node.name}".lstrip(".")
        if not isinstance(node, ast.ClassDef):
            for each in node.body:
                yield from _nodes(each, name, each)
            return
    if isinstance(node, ast.AnnAssign):
        parts: Iterable[ast.AST] = [] if node.value is None else [node.value]
    else:
        parts = ast.iter_child_nodes(node)
    for part in parts:
        yield from _nodes(part, name, inside)


def _logs(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("log.")


def _span(source: str, node: ast.expr | ast.stmt) -> tuple[int, int]:
    """Return where the text of `node` begins and ends, in characters."""
    lines = source.splitlines(keepends=True)

    def place(line: int, column: int) -> int:
        before = sum(map(len, lines[: line - 1]))
        return before + len(lines[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
