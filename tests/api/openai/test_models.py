"""The models, in OpenAI's shape."""

from __future__ import annotations

import msgspec
import pytest


def test_list(client):
    document = client.get("/v1/models").json()
    assert document["object"] == "list"
    assert [model["id"] for model in document["data"]] == ["smol", "other-1.5b@q4"]
    assert document["data"][0] == {
        "id": "smol",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "tester",
        "edge": {
            "backend": "llama.cpp",
            "context": 4096,
            "loaded": True,
            "size_bytes": 1000,
            "has_template": True,
            "kind": "language",
            "variant": "llama.cpp-q4_0",
        },
    }


@pytest.mark.parametrize("model", ["smol", "other-1.5b@q4"])
def test_one(client, model):
    assert client.get(f"/v1/models/{model}").json()["id"] == model


def test_models_of_tensors_have_no_context(client, service):
    tensors = {"kind": "tensors", "context": 0, "variant": None}
    service.models = [msgspec.structs.replace(service.models[0], **tensors)]
    edge = client.get("/v1/models").json()["data"][0]["edge"]
    assert (edge["context"], edge["variant"]) == (None, None)


@pytest.mark.parametrize("model", ["nobody", "a/b", "", "smol/"])
def test_unknown(client, model):
    response = client.get(f"/v1/models/{model}")
    assert response.status == 404
    assert response.json()["error"]["code"] == "model_not_found"
