"""The models, in OpenAI's shape."""

from __future__ import annotations

import msgspec
import pytest

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat


def test_list(client):
    document = client.get("/v1/models").json()
    assert document["object"] == "list"
    assert [model["id"] for model in document["data"]] == ["smol", "other-1.5b@q4"]
    assert document["data"][0] == {
        "id": "smol",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "tester",
        "max_model_len": 4096,
        "edge": {
            "backend": "llama.cpp",
            "context": 4096,
            "loaded": True,
            "size_bytes": 1000,
            "has_template": True,
            "kind": "language",
            "capabilities": ["completion", "tools"],
            "variant": "llama.cpp-q4_0",
        },
    }


@pytest.mark.parametrize("model", ["smol", "other-1.5b@q4"])
def test_one(client, model):
    assert client.get(f"/v1/models/{model}").json()["id"] == model


def test_a_model_that_sees_says_so(client, service):
    service.models = [msgspec.structs.replace(service.models[0], sees=True)]
    [model] = client.get("/v1/models").json()["data"]
    assert model["edge"]["capabilities"] == ["completion", "tools", "vision"]


def test_models_of_tensors_have_no_context(client, service):
    tensors = {"kind": "tensors", "context": 0, "variant": None}
    service.models = [msgspec.structs.replace(service.models[0], **tensors)]
    [model] = client.get("/v1/models").json()["data"]
    edge = model["edge"]
    assert (edge["context"], edge["variant"]) == (None, None)
    assert edge["capabilities"] == ["tensors"]
    assert "max_model_len" not in model


def test_thinking_is_told_of_one_model(client, service):
    service.format = ChatFormat(GENERIC, thinking=ThinkFormat("<think>", "</think>"))
    edge = client.get("/v1/models/smol").json()["edge"]
    assert edge["capabilities"] == ["completion", "tools", "thinking"]


def test_aliases_are_models_with_a_root(client, service):
    service.others = {"gpt-4o-mini": "smol", "any": "auto"}
    *_, alias = client.get("/v1/models").json()["data"]
    assert (alias["id"], alias["root"]) == ("gpt-4o-mini", "smol")
    assert client.get("/v1/models/gpt-4o-mini").json()["id"] == "gpt-4o-mini"
    assert "root" not in client.get("/v1/models/smol").json()


@pytest.mark.parametrize("model", ["nobody", "a/b", "", "smol/"])
def test_unknown(client, model):
    response = client.get(f"/v1/models/{model}")
    assert response.status == 404
    assert response.json()["error"]["code"] == "model_not_found"
