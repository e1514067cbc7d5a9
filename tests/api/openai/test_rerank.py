"""POST /v1/rerank: documents in the order in which they fit a question."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from edge_rt.core.errors import RequestError

PATH = "/v1/rerank"
DOCUMENTS = ["x" * 40, "bb", {"text": "c" * 5}]


def rerank(client, path: str = PATH, **changes: Any):
    body = {"model": "vec", "query": "a", "documents": DOCUMENTS} | changes
    return client.post(path, {name: value for name, value in body.items() if value is not None})


def cosine(length: int) -> float:
    """That of the vectors which the scripted service gives "a" and a text of that length."""
    dot = 1 * length + 0.5 * 0.5
    return dot / (math.hypot(1, 0.5) * math.hypot(length, 0.5))


def test_documents_come_in_the_order_in_which_they_fit(client, service) -> None:
    body = rerank(client).json()
    assert [one["index"] for one in body["results"]] == [1, 2, 0]
    for one, length in zip(body["results"], (2, 5, 40), strict=True):
        assert one["relevance_score"] == pytest.approx(cosine(length))
        assert "document" not in one
    assert service.embeds[0].inputs == ["a", "x" * 40, "bb", "c" * 5]
    assert body["usage"] == {"prompt_tokens": 48, "total_tokens": 48}
    assert body["edge"]["scores"] == "cosine"
    assert body["edge"]["energy_j"] == 1.5
    assert body["id"].startswith("rerank-")


def ranker(service) -> None:
    """Have the service know a model that ranks, which scores a text by its length."""
    vec = next(card for card in [*service.models, *service.silent] if card.id == "vec")
    service.models.append(msgspec.structs.replace(vec, id="cross", kind="rerank"))


@pytest.mark.parametrize("model", ["cross", None])
def test_a_model_that_ranks_reads_each_document_with_the_question(client, service, model) -> None:
    ranker(service)
    body = rerank(client, model=model).json()
    assert [(one["index"], one["relevance_score"]) for one in body["results"]] == [
        (0, 40.0),
        (2, 5.0),
        (1, 2.0),
    ]
    assert body["model"] == "cross"
    assert body["edge"]["scores"] == "rerank"
    [call] = service.embeds
    assert (call.query, call.inputs) == ("a", ["x" * 40, "bb", "c" * 5])


def test_an_embedding_model_that_is_named_goes_before_one_that_ranks(client, service) -> None:
    ranker(service)
    assert rerank(client).json()["edge"]["scores"] == "cosine"
    assert service.embeds[0].query is None


def test_a_document_that_is_too_long_is_named_as_it_was_sent(client, service) -> None:
    ranker(service)
    service.fault = RequestError("`input[0]`: too long.", param="input[0]")
    assert rerank(client, model="cross").json()["error"]["param"] == "documents[0]"


def test_a_model_that_ranks_makes_no_vectors(client, service) -> None:
    ranker(service)
    answer = client.post("/v1/embeddings", {"model": "cross", "input": "a"})
    assert answer.status == 400
    assert answer.json()["error"]["param"] == "model"


def test_it_is_served_without_v1_too(client) -> None:
    assert rerank(client, "/rerank").json()["results"] == rerank(client).json()["results"]


@pytest.mark.parametrize(("top_n", "count"), [(1, 1), (3, 3), (99, 3)])
def test_the_answer_has_as_many_as_are_wanted(client, top_n: int, count: int) -> None:
    results = rerank(client, top_n=top_n).json()["results"]
    assert [one["index"] for one in results] == [1, 2, 0][:count]


def test_documents_come_back_where_they_are_wanted(client) -> None:
    results = rerank(client, return_documents=True).json()["results"]
    assert [one["document"] for one in results] == [
        {"text": "bb"},
        {"text": "ccccc"},
        {"text": "x" * 40},
    ]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"documents": None}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": [""]}, "documents[0]"),
        ({"documents": [1]}, "documents[0]"),
        ({"documents": ["a"] * 1025}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"model": "smol"}, "model"),
    ],
)
def test_what_cannot_be_ordered_is_an_error_that_names_it(client, changes, param) -> None:
    answer = rerank(client, **changes)
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(("at", "param"), [(0, "query"), (2, "documents[1]")])
def test_a_text_that_is_too_long_is_named_as_it_was_sent(client, service, at, param) -> None:
    service.fault = RequestError(f"`input[{at}]`: too long.", param=f"input[{at}]")
    error = rerank(client).json()["error"]
    assert error["param"] == param
    assert error["message"].startswith(f"`{param}`")


def test_unknown_fields_are_told(client) -> None:
    assert "max_chunks" in rerank(client, max_chunks=3).headers["x-edge-warning"]


def test_other_fields_of_a_document_are_its_own(client) -> None:
    answered = rerank(client, documents=[{"text": "a", "id": "7", "title": "A"}], titel=1)
    assert answered.status == 200
    assert answered.headers["x-edge-warning"].startswith("The field `titel` is")
