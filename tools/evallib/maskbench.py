"""MaskBench: JSON Schemas with texts that they allow and texts that they forbid.

https://github.com/guidance-ai/jsonschemabench/tree/main/maskbench
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_rt.backends.base import Backend
from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError
from edge_rt.decoding.constraints.grammars import Grammars
from evallib import EvalError
from evallib.document import Row

FILE = Path("maskbench", "even_1500.jsonl")


@dataclass(frozen=True)
class Case:
    """A schema, and documents with whether they are valid by it."""

    id: str
    schema: Any
    tests: Sequence[tuple[Any, bool]]

    @property
    def constraint(self) -> Constraint:
        """What a request for it asks for."""
        return Constraint("json_schema", json.dumps(self.schema))


@dataclass(frozen=True)
class Verdict:
    """What became of a case: `refused` says why it was not compiled; `wrong` are the tests that
    were judged wrongly.
    """

    id: str
    refused: str | None
    tests: int = 0
    wrong: Sequence[str] = ()


def cases(data: Path) -> list[Case]:
    """Return all cases; raise EvalError where they are not there."""
    path = data / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise EvalError(f"{path}: {error.strerror or error}") from error
    return [_case(json.loads(line)) for line in lines]


def _case(row: dict[str, Any]) -> Case:
    tests = [(test["data"], bool(test["valid"])) for test in row["tests"]]
    return Case(row["id"], row["schema"], tests)


def judge(case: Case, grammars: Grammars, cutter: Backend, end: int) -> Verdict:
    """Compile the schema, and hold its tests against it; `end` is a token that ends a text.

    Answers have properties in the order of the schema, so a test is tried in that order, too.
    """
    try:
        grammars.matcher(case.constraint)
    except RequestError as error:
        return Verdict(case.id, str(error))
    wrong: list[str] = []
    for document, valid in case.tests:
        texts = [_text(document), _text(_ordered(document, json.dumps(case.schema)))]
        if any(_accepts(case.constraint, grammars, cutter, end, text) for text in texts) != valid:
            wrong.append(f"{'refused' if valid else 'accepted'}: {texts[0][:300]}")
    return Verdict(case.id, None, len(case.tests), wrong)


def _text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)


def _ordered(document: Any, schema: str) -> Any:
    """The document with its properties in the order in which a schema first names them."""
    if isinstance(document, list):
        return [_ordered(one, schema) for one in document]
    if not isinstance(document, dict):
        return document
    places = {name: schema.find(f"{json.dumps(name)}: {{") for name in document}
    names = sorted(document, key=lambda name: places[name] if places[name] >= 0 else len(schema))
    return {name: _ordered(document[name], schema) for name in names}


def _accepts(
    constraint: Constraint, grammars: Grammars, cutter: Backend, end: int, text: str
) -> bool:
    """Return whether an answer can be that text."""
    matcher = grammars.matcher(constraint)
    for token in cutter.tokenize(text, special=False, begins=False):
        if matcher.over or not matcher.valid([token]):
            return False
        matcher.take(token)
    return matcher.over or matcher.allows(end)


def row(verdicts: Sequence[Verdict]) -> Row:
    """The figures of all cases."""
    compiled = [verdict for verdict in verdicts if verdict.refused is None]
    wrong = [text for verdict in compiled for text in verdict.wrong]
    return {
        "name": "MaskBench",
        "schemas": len(verdicts),
        "compiled": len(compiled) / len(verdicts) if verdicts else None,
        "tests": sum(verdict.tests for verdict in compiled),
        "mask_wrong": len(wrong),
        "accepted_wrongly": sum(text.startswith("accepted") for text in wrong),
        "refused_wrongly": sum(text.startswith("refused") for text in wrong),
        "wrong": [f"{v.id}: {text}" for v in compiled for text in v.wrong],
        "refused_for": dict(_reasons(v.refused for v in verdicts if v.refused is not None)),
    }


def _reasons(refused: Iterable[str]) -> list[tuple[str, int]]:
    """The reasons of refusals, the most frequent first."""
    return Counter(why.partition("enforced: ")[2] or why for why in refused).most_common()
