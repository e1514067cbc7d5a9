"""Schemas are held against their tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evallib import EvalError
from evallib.maskbench import FILE, Case, cases, judge, row
from letters import END, Letters

from edge_rt.decoding.constraints.grammars import Grammars

NUMBER = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.fixture(scope="module")
def grammars() -> Iterator[Grammars]:
    made = Grammars(Letters())
    yield made
    made.close()


def put(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / FILE).parent.mkdir(parents=True)
    (folder / FILE).write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_wrong_verdicts_and_refusals_are_counted(grammars: Grammars, tmp_path: Path) -> None:
    rows = [
        {"id": "right", "schema": NUMBER, "tests": [({"a": 1}, True), ({"a": "b"}, False)]},
        {"id": "wrong", "schema": NUMBER, "tests": [({"a": 1}, False), ({}, True)]},
        {"id": "refused", "schema": {"not": {}}, "tests": [(1, False)]},
    ]
    for one in rows:
        one["tests"] = [{"data": data, "valid": valid} for data, valid in one["tests"]]
    found = [judge(case, grammars, Letters(), END) for case in cases(put(tmp_path, *rows))]
    figures = row(found)
    assert (figures["schemas"], figures["compiled"], figures["tests"]) == (3, 2 / 3, 4)
    assert (figures["mask_wrong"], figures["accepted_wrongly"]) == (2, 1)
    assert figures["refused_wrongly"] == 1
    assert figures["refused_for"] == {'Unimplemented keys: ["not"]': 1}
    assert [text.partition(":")[0] for text in figures["wrong"]] == ["wrong", "wrong"]


def test_a_document_may_have_another_order_than_the_schema(grammars: Grammars) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {}}}
    case = Case("x", schema, [({"a": 1, "b": 2}, True), ({"a": 1, "b": "c"}, False)])
    assert judge(case, grammars, Letters(), END).wrong == []


def test_a_folder_without_the_cases_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=str(FILE)):
        cases(tmp_path)
