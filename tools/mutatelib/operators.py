"""Single faults in an expression or a statement of Python.

They are those of mutmut 3, but for texts: what a message says is for people. One is added, a call
whose result nobody takes is left out, since mutmut has none for clean-up and durability.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any

_SWAPPED: Mapping[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Div,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.UAdd: ast.USub,
    ast.USub: ast.UAdd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_METHODS: Mapping[str, str] = {
    name: other
    for pair in (
        ("lower", "upper"),
        ("lstrip", "rstrip"),
        ("find", "rfind"),
        ("ljust", "rjust"),
        ("index", "rindex"),
        ("removeprefix", "removesuffix"),
        ("partition", "rpartition"),
        ("split", "rsplit"),
    )
    for name, other in (pair, pair[::-1])
}
_KEPT_CALLS = {"len", "isinstance", "cast"}  # without their arguments they only fail


def faults(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in place of `node`, each with one fault."""
    find = _FAULTS.get(type(node))
    return iter(()) if find is None else find(node)


def _with(node: ast.AST, **fields: Any) -> Any:
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _operator(node: Any) -> Iterator[ast.AST]:
    if (other := _SWAPPED.get(type(node.op))) is not None:
        yield _with(node, op=other())


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, (ast.Not, ast.Invert)):
        yield node.operand
    else:
        yield from _operator(node)


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for index, op in enumerate(node.ops):
        other = _SWAPPED[type(op)]()
        yield _with(node, ops=[*node.ops[:index], other, *node.ops[index + 1 :]])


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)


def _assignment(node: Any) -> Iterator[ast.AST]:
    if node.value is not None:
        none = isinstance(node.value, ast.Constant) and node.value.value is None
        yield _with(node, value=ast.Constant("" if none else None))


def _augmented(node: ast.AugAssign) -> Iterator[ast.AST]:
    yield from _operator(node)
    yield ast.Assign([node.target], node.value, lineno=node.lineno)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func
    if isinstance(name, ast.Name) and name.id in _KEPT_CALLS:
        return
    if isinstance(name, ast.Attribute) and (other := _METHODS.get(name.attr)):
        yield _with(node, func=_with(name, attr=other))
    none = ast.Constant(None)
    alone = len(node.args) + len(node.keywords) == 1
    for index, arg in enumerate(node.args):
        before, after = node.args[:index], node.args[index + 1 :]
        if not isinstance(arg, ast.Starred) and ast.unparse(arg) != "None":
            yield _with(node, args=[*before, none, *after])
        if not alone:
            yield _with(node, args=[*before, *after])
    for index, keyword in enumerate(node.keywords):
        before, after = node.keywords[:index], node.keywords[index + 1 :]
        if keyword.arg is not None and ast.unparse(keyword.value) != "None":
            yield _with(node, keywords=[*before, _with(keyword, value=none), *after])
        if not alone:
            yield _with(node, keywords=[*before, *after])


def _lambda(node: ast.Lambda) -> Iterator[ast.AST]:
    none = isinstance(node.body, ast.Constant) and node.body.value is None
    yield _with(node, body=ast.Constant(0 if none else None))


def _either(node: ast.IfExp) -> Iterator[ast.AST]:
    yield node.body
    yield node.orelse


def _statement(node: ast.Expr) -> Iterator[ast.AST]:
    called = node.value.value if isinstance(node.value, ast.Await) else node.value
    if isinstance(called, ast.Call):
        yield ast.Pass()


_FAULTS: Mapping[type[ast.AST], Callable[[Any], Iterator[ast.AST]]] = {
    ast.BinOp: _operator,
    ast.BoolOp: _operator,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Assign: _assignment,
    ast.AnnAssign: _assignment,
    ast.AugAssign: _augmented,
    ast.Call: _call,
    ast.Lambda: _lambda,
    ast.IfExp: _either,
    ast.Break: lambda _: iter([ast.Return()]),
    ast.Continue: lambda _: iter([ast.Break()]),
    ast.Expr: _statement,
}
