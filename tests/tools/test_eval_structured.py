"""Schemas are held against their tests, and answers against their schemas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchlib.http import Address
from eval_server import Body, completion, serving
from evallib import EvalError
from evallib.asker import Asker
from evallib.structured.answers import Tally, Way, ask, ask_peer, request
from evallib.structured.maskbench import FILE, Case, cases, judge, row
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
    assert figures["refused_wrongly"] == figures["named"] == 1
    assert figures["refused_for"] == {"not": 1}
    assert [text.partition(":")[0] for text in figures["wrong"]] == ["wrong", "wrong"]


def test_a_document_may_have_another_order_than_the_schema(grammars: Grammars) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {}}}
    case = Case("x", schema, [({"a": 1, "b": 2}, True), ({"a": 1, "b": "c"}, False)])
    assert judge(case, grammars, Letters(), END).wrong == []


def test_a_folder_without_the_cases_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match=str(FILE)):
        cases(tmp_path)


def test_answers_are_held_against_the_schema_and_speeds_against_those_without(
    tmp_path: Path,
) -> None:
    texts = iter(['{"a": 1}', '{"a": "b"}'])

    def speak(body: Body) -> str:
        assert body["edge"]["cache"] == "off"
        return next(texts) if "response_format" in body else "Hello there."

    def edge(body: Body) -> Body:
        held = "response_format" in body
        cost = {"constraint": {"mask_ms": 2.0, "forced_tokens": 1}} if held else {}
        return {"tokens_per_s": 19.0 if held else 20.0, **cost}

    tally = Tally(Way("greedy", 0.0))
    with serving(tmp_path / "s", speak, edge):
        asker = Asker(Address(path=str(tmp_path / "s")))
        case = Case("x", NUMBER, ())
        for compare in (True, False):
            body = request("m", case, tally.way, 1, 20)
            asyncio.run(ask(asker, case, tally, body, compare=compare))
    found = tally.row()
    assert found["vs_llama_server"] is None
    assert (found["asked"], found["finished"], found["valid"]) == (2, 2, 0.5)
    assert found["constrained_speed"] == pytest.approx(0.95)
    assert found["mask_ms_per_token"] == pytest.approx(4.0 / tally.tokens)
    assert found["invalid"][0].startswith("x: ")


def test_both_servers_are_compared_by_what_both_answered(tmp_path: Path) -> None:
    def ours(body: Body) -> Body:
        return {"tokens_per_s": 18.0 if "response_format" in body else 20.0}

    def peers(body: Body) -> str | Body | tuple[int, str]:
        if "other" in body["messages"][0]["content"]:
            return 400, "no schema"
        per_s = 10.0 if "response_format" in body else 20.0
        return completion("{}", "m", {}) | {"timings": {"predicted_per_second": per_s}}

    tally = Tally(Way("greedy", 0.0))
    cases = [Case("x", NUMBER, ()), Case("y", {"title": "other"}, ())]
    with (
        serving(tmp_path / "s", lambda _: "{}", ours),
        serving(tmp_path / "p", peers) as peer,
    ):
        for case in cases:
            how = (case, tally, request("m", case, tally.way, 1, 20))
            asyncio.run(ask(Asker(Address(path=str(tmp_path / "s"))), *how, compare=True))
            asyncio.run(ask_peer(Asker(Address(path=str(tmp_path / "p"))), *how))
    found = tally.row()
    assert (found["both"], found["peer_failed"]) == (1, 1)
    assert found["peer_constrained_speed"] == pytest.approx(0.5)
    assert found["vs_llama_server"] == pytest.approx(0.9 / 0.5)
    assert len(peer.asked) == 3


def test_a_request_that_fails_is_told_and_counts_as_no_answer(tmp_path: Path) -> None:
    tally = Tally(Way("greedy", 0.0))
    with serving(tmp_path / "s", lambda _: (400, "no schema")):
        asker = Asker(Address(path=str(tmp_path / "s")))
        case = Case("x", NUMBER, ())
        body = request("m", case, tally.way, 1, 20)
        asyncio.run(ask(asker, case, tally, body, compare=True))
    assert (tally.row()["failed"], tally.row()["valid"]) == (1, None)
    assert "no schema" in tally.failed[0]
