"""POST /edge/v1/classify: the label whose examples a text is most like."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.api.edge.classify import point, scores, similarities
from edge_rt.core.errors import RequestError

PATH = "/edge/v1/classify"
LABELS = {"short": ["a", "bb"], "long": "x" * 40}
VECTORS = st.lists(st.floats(-10, 10), min_size=3, max_size=3).filter(
    lambda vector: math.hypot(*vector) > 0.1
)


def classify(client, **changes: Any):
    return client.post(PATH, {"model": "vec", "input": ["c", "y" * 30], "labels": LABELS} | changes)


def test_each_text_has_the_label_that_it_is_like(client) -> None:
    answer = classify(client)
    assert answer.status == 200
    body = answer.json()
    assert [item["label"] for item in body["data"]] == ["short", "long"]
    for index, item in enumerate(body["data"]):
        assert item["index"] == index
        assert item["object"] == "classification"
        assert sum(item["scores"].values()) == pytest.approx(1.0)
        assert item["score"] == item["scores"][item["label"]]
        for label, similar in item["similarities"].items():
            assert -1.0 <= similar <= 1.0
            odds = item["scores"][label] / item["score"]
            best = item["similarities"][item["label"]]
            assert odds == pytest.approx(math.exp(20 * (similar - best)))
    assert body["edge"]["energy_j"] == 1.5
    assert body["usage"]["prompt_tokens"] == sum(map(len, ["c", "y" * 30, "a", "bb", "x" * 40]))


def test_examples_are_embedded_once_as_long_as_they_are_remembered(client, service) -> None:
    first, again = classify(client).json(), classify(client).json()
    assert again["data"] == first["data"]
    assert [len(call.inputs) for call in service.embeds] == [5, 2]


def test_other_examples_are_other_labels(client, service) -> None:
    classify(client)
    classify(client, labels=LABELS | {"short": ["q"]})
    assert [len(call.inputs) for call in service.embeds] == [5, 4]


def test_examples_that_may_be_cut_are_other_examples(client, service) -> None:
    for side in ("end", "start", None):
        classify(client, edge={"truncate": side})
    assert [len(call.inputs) for call in service.embeds] == [5, 5, 5]


def test_names_stand_for_themselves(client, service) -> None:
    answer = classify(client, input="zz", labels=["aa", "x" * 40])
    assert answer.json()["data"][0]["label"] == "aa"
    assert service.embeds[0].inputs == ["zz", "aa", "x" * 40]


def test_a_scale_sharpens_or_blunts(client) -> None:
    blunt, sharp = (classify(client, scale=scale).json()["data"][0] for scale in (1.0, 100.0))
    assert blunt["similarities"] == sharp["similarities"]
    assert 0.5 < blunt["score"] < sharp["score"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"labels": ["one"]}, "labels"),
        ({"labels": ["one", "one"]}, "labels"),
        ({"labels": {}}, "labels"),
        ({"labels": {"a": [], "b": "c"}}, "labels"),
        ({"labels": {"a": "", "b": "c"}}, "labels"),
        ({"labels": [f"l{n}" for n in range(65)]}, "labels"),
        ({"labels": {"a": ["x"] * 1024, "b": "c"}}, "labels"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * 257}, "input"),
        ({"scale": 0}, "scale"),
        ({"head": "x"}, "head"),
        ({"model": "smol"}, "model"),
    ],
)
def test_what_cannot_be_is_named(client, changes: dict[str, Any], param: str) -> None:
    answer = classify(client, **changes)
    assert answer.status == 400
    assert answer.json()["error"]["param"].partition("[")[0] == param


@pytest.mark.parametrize(
    ("given", "labels", "at", "param"),
    [
        (["a", "b"], ["c", "d"], 1, "input[1]"),
        ("a", ["c", "d"], 0, "input"),
        ("a", ["c", "d"], 2, "labels[1]"),
        ("a", {"c": ["e", "f"], "d": "g"}, 2, "labels.c[1]"),
        ("a", {"c": ["e", "f"], "d": "g"}, 3, "labels.d"),
        ("a", {"c": "e", "d" * 50: "g"}, 2, f"labels.{'d' * 39}"),
    ],
)
def test_a_text_that_cannot_be_embedded_is_named_as_the_client_gave_it(
    client, service, given: Any, labels: Any, at: int, param: str
) -> None:
    service.fault = RequestError(f"`input[{at}]`: too long", param=f"input[{at}]", code="x")
    answer = classify(client, input=given, labels=labels)
    error = answer.json()["error"]
    assert (answer.status, error["param"], error["code"]) == (400, param, "x")
    assert error["message"] == f"`{param}`: too long"


@given(st.lists(VECTORS, min_size=1, max_size=4), VECTORS, st.floats(0.1, 50.0))
def test_how_long_vectors_are_changes_nothing(
    examples: list[list[float]], text: list[float], length: float
) -> None:
    longer = [[length * number for number in example] for example in examples]
    points = {"a": point(examples), "b": point(longer)}
    similar = similarities(text, points)
    assert similar["a"] == pytest.approx(similar["b"], abs=1e-6)
    assert -1 - 1e-9 <= similar["a"] <= 1 + 1e-9


@given(
    st.dictionaries(st.text(max_size=3), st.floats(-1, 1), min_size=1, max_size=9),
    st.floats(0.1, 1000.0),
)
def test_scores_are_shares_that_rise_with_similarity(
    similar: dict[str, float], scale: float
) -> None:
    found = scores(similar, scale)
    assert sum(found.values()) == pytest.approx(1.0)
    order = sorted(similar, key=similar.__getitem__)
    assert all(found[a] <= found[b] for a, b in pairwise(order))
