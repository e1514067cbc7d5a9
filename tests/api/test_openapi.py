"""GET /openapi.json describes every route, and answers and requests are as it says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from edge_rt.api.routes import OPERATIONS
from edge_rt.core.reports.planning import Calibrated, PlanReport

CALIBRATED = Calibrated("pi", "2026-11-26T00:00:00Z", 4e10, 1e10, None, None, "unknown", [])
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def document(client) -> dict[str, Any]:
    return client.get("/openapi.json").json()


def schema(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """A schema that finds what it refers to."""
    return {**found, "components": document["components"]}


def test_the_document_is_openapi(document):
    validate(document)


def test_every_route_is_described(client, document):
    routes = {
        (method, route.path.replace(":path", ""))
        for route in client.app._inner.routes
        for method in route.methods - {"HEAD"}
    }
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == routes


def test_every_operation_has_a_summary_of_one_sentence():
    assert {each.summary[-1:] for each in OPERATIONS} == {"."}
    assert all(each.summary[0].isupper() and len(each.summary) < 120 for each in OPERATIONS)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/chat/completions", CHAT),
        ("POST", "/v1/completions", {"prompt": "Hi"}),
        ("POST", "/v1/embeddings", {"input": "Hi", "model": "vec"}),
        ("POST", "/v1/rerank", {"query": "Hi", "documents": ["a", {"text": "b"}], "model": "vec"}),
        ("POST", "/tokenize", {"content": "Hi", "with_pieces": True}),
        ("POST", "/detokenize", {"tokens": [72]}),
        ("GET", "/v1/models", None),
        ("GET", "/edge/v1/load", None),
        ("GET", "/edge/v1/board", None),
        ("GET", "/edge/v1/ledger", None),
        ("GET", "/edge/v1/budget", None),
        ("GET", "/edge/v1/history", None),
        ("GET", "/edge/v1/cache", None),
        ("GET", "/edge/v1/calibration", None),
        ("POST", "/edge/v1/plan", {"prompt": "Hi"}),
    ],
)
def test_answers_are_as_described(client, service, document, method, path, body):
    service.plans, service.calibrations = [PlanReport([])], [CALIBRATED]
    operation = document["paths"][path][method.lower()]
    if body is not None:
        given = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(body, schema(document, given))
    response = client.request(method, path, body)
    assert response.status == 200, response.body
    said = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), schema(document, said))


def test_errors_are_as_described(client, document):
    response = client.post("/v1/chat/completions", {})
    said = document["paths"]["/v1/chat/completions"]["post"]["responses"]["default"]
    found = said["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), schema(document, found))


def test_fields_that_are_refused_are_left_out(document):
    fields = document["components"]["schemas"]["ChatRequest"]["properties"]
    assert {"messages", "tool_choice", "edge", "seed"} <= set(fields)
    assert not {"mirostat", "typical_p"} & set(fields)
