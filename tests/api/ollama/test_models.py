"""The routes of Ollama's API that tell of models, and embeddings by it."""

from __future__ import annotations

import json

import pytest

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.core.errors import RequestError
from edge_rt.engine.scheduler.inputs import _too_long

MAKE = {
    "architecture": "llama",
    "parameters": 134_515_008,
    "quantisation": "Q4_1",
    "licence": "apache-2.0",
    "template": "{{ messages }}",
}


@pytest.fixture(autouse=True)
def models(service, script) -> None:
    service.models = [script.card("smol", **MAKE), *service.silent]


def lines(response) -> list[dict]:
    return [json.loads(line) for line in response.body.decode().splitlines()]


def test_models_of_text_and_their_aliases_are_listed_with_a_tag(client, service) -> None:
    service.others = {"gpt-4o-mini": "smol", "llama3:8b": "smol", "any": "auto"}
    listed = client.get("/api/tags").json()["models"]
    assert [one["model"] for one in listed] == [
        "smol:latest",
        "vec:latest",
        "gpt-4o-mini:latest",
        "llama3:8b",
    ]
    assert all(one["name"] == one["model"] for one in listed)
    assert listed[0]["modified_at"] == "2023-11-14T22:13:20Z"
    assert (listed[0]["size"], len(listed[0]["digest"])) == (1000, 64)
    assert listed[0]["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "134.52M",
        "quantization_level": "Q4_1",
    }


def test_models_in_memory_with_the_time_they_leave(client) -> None:
    [loaded, *_] = client.get("/api/ps").json()["models"]
    assert (loaded["model"], loaded["size"], loaded["size_vram"]) == ("smol:latest", 2000, 0)
    assert loaded["expires_at"] == "2027-01-15T08:01:00.500000Z"
    assert loaded["context_length"] == 4096


def test_the_version_is_that_of_the_api(client) -> None:
    told = client.get("/api/version").json()
    assert [part.isdigit() for part in told["version"].split(".")] == [True] * 3
    assert told["edge"] == {"version": "1"}
    assert client.get("/").body == b"Ollama is running"
    assert client.request("HEAD", "/").status == 200


@pytest.mark.parametrize("field", ["model", "name"])
def test_one_model_is_shown(client, service, field) -> None:
    service.format = ChatFormat(GENERIC, thinking=ThinkFormat("<t>", "</t>"))
    shown = client.post("/api/show", {field: "smol:latest"}).json()
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    assert shown["model_info"]["llama.context_length"] == 4096
    assert "temperature 0.7" in shown["parameters"].splitlines()
    assert (shown["template"], shown["license"]) == ("{{ messages }}", "apache-2.0")


def test_an_embedding_model_is_shown(client) -> None:
    service_card = client.post("/api/show", {"model": "smol"})
    assert service_card.status == 200
    assert client.post("/api/show", {}).json() == {"error": "`model` is required."}
    assert client.post("/api/show", {"model": "no"}).status == 404


@pytest.mark.parametrize(
    ("method", "path", "advice"),
    [
        ("DELETE", "/api/delete", "edge-rt models remove"),
        ("POST", "/api/create", "edge-rt models add"),
        ("POST", "/api/copy", "models.aliases"),
        ("POST", "/api/push", "not sent"),
    ],
)
def test_routes_that_are_refused_by_name(client, method, path, advice) -> None:
    response = client.request(method, path, {"model": "smol"})
    assert response.status == 403
    assert path in response.json()["error"]
    assert advice in response.json()["error"]


def test_texts_are_embedded(client, service) -> None:
    answer = client.post("/api/embed", {"model": "vec:latest", "input": ["a", "bcd"]}).json()
    assert answer["embeddings"] == [[1.0, 0.5], [3.0, 0.5]]
    assert (answer["model"], answer["prompt_eval_count"]) == ("vec:latest", 4)
    assert answer["edge"]["energy_j"] == 1.5
    assert service.embeds[0].truncate is None
    client.post("/api/embed", {"model": "vec", "input": "a", "truncate": True, "dimensions": 1})
    assert (service.embeds[1].truncate, service.embeds[1].dimensions) == ("end", 1)


@pytest.mark.parametrize("room", ["4096", [1], {}])
def test_a_room_that_is_no_number_is_refused_for_embeddings(client, room) -> None:
    body = {"model": "vec", "input": "a", "options": {"num_ctx": room}}
    answer = client.post("/api/embed", body)
    assert answer.status == 400
    assert answer.json()["error"].startswith("`options.num_ctx`: expected a number, got ")


def test_one_text_is_embedded_in_the_older_form(client) -> None:
    options = {"num_ctx": 99_999, "temperature": None}
    body = {"model": "vec", "prompt": "abcd", "options": options, "keep_alive": -1}
    response = client.post("/api/embeddings", body)
    assert response.json()["embedding"] == [4.0, 0.5]
    assert "keep_alive" in response.headers["x-edge-warning"] or "num_ctx" in str(response.headers)


def test_keeping_nothing_unloads_the_embedding_model_afterwards(client, service) -> None:
    response = client.post("/api/embed", {"model": "vec", "input": "a", "keep_alive": "0s"})
    assert response.status == 200
    assert "keep_alive" not in response.headers.get("x-edge-warning", "")
    assert (len(service.embeds), service.unloads) == (1, ["vec"])


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        ("embed", {"input": []}, "`input`"),
        ("embed", {"input": ["a", ""]}, "`input[1]` is empty"),
        ("embed", {"input": [1, 2]}, "`input[0]`: Expected `str`"),
        ("embeddings", {"prompt": ""}, "`prompt` is empty"),
        ("embeddings", {}, "`prompt` is required"),
    ],
)
def test_texts_that_cannot_be_embedded(client, path, body, at) -> None:
    response = client.post(f"/api/{path}", {"model": "vec", **body})
    assert response.status == 400
    assert at in response.json()["error"]


@pytest.mark.parametrize(("path", "name"), [("embed", "input"), ("embeddings", "prompt")])
def test_a_text_that_does_not_fit_is_told_by_its_field(client, service, path, name) -> None:
    service.fault = RequestError("`input`: 900 tokens are too many.", param="input")
    response = client.post(f"/api/{path}", {"model": "vec", name: "long"})
    assert (response.status, response.json()) == (
        400,
        {"error": f"`{name}`: 900 tokens are too many."},
    )


def test_a_text_that_does_not_fit_may_be_cut_by_the_field_of_this_api(client, service) -> None:
    service.fault = _too_long("input", "900 tokens", "256")
    told = client.post("/api/embed", {"model": "vec", "input": "long"}).json()["error"]
    assert told.endswith("shorten it, or have it cut with `truncate`: true")


def test_a_pull_of_a_model_that_is_there_succeeds(client) -> None:
    told = lines(client.post("/api/pull", {"model": "smol:latest"}))
    assert [one["status"] for one in told] == ["pulling manifest", "success"]
    whole = client.post("/api/pull", {"name": "smol", "stream": False})
    assert whole.json() == {"status": "success"}


@pytest.mark.parametrize("stream", [True, False])
def test_a_pull_of_another_model_is_refused_with_the_command_that_fetches_it(
    client, stream
) -> None:
    response = client.post("/api/pull", {"model": "new", "stream": stream})
    assert response.status == 400
    assert "`edge-rt models pull new`" in response.json()["error"]
