"""Ollama's own client over TCP, with real models."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import ollama
import pytest
from client_environment import CALLER, PACKAGES, client_environment, node_environment
from client_environment import REPORT as CLOSED_REPORT
from pydantic import BaseModel

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pull import pull
from edge_rt.models.store.store import Store

MODEL = "smollm2-135m-instruct"
VECTORS = "all-minilm-l6-v2"
CONTEXT = 2048
PROGRAM = Path(__file__).parent / "clients" / "with_langchain_ollama.py"
# The same schema, but without a word on further properties.
REPORT = {name: value for name, value in CLOSED_REPORT.items() if name != "additionalProperties"}
GREEDY = {"temperature": 0, "num_predict": 12}
USER = [{"role": "user", "content": "Name a colour."}]
HOME = {"stream": True, "keep_alive": -1, "think": False}
HOME_OPTIONS = {"num_ctx": 8192, "temperature": 0, "num_predict": 60}
TURN_ON = {
    "type": "function",
    "function": {
        "name": "HassTurnOn",
        "description": "Turns on a device.",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string", "enum": ["lamp", "fan"]}},
            "required": [],
        },
    },
}


@pytest.fixture(scope="module")
def served(make_daemon, caller_store, cache, tmp_path_factory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("ollama") / "models"
    shutil.copytree(caller_store, root, copy_function=os.link)
    pull(VECTORS, Store(root, load_catalogue()), cache=cache)
    daemon = make_daemon(
        root,
        tcp={"listen": ["127.0.0.1:0", "127.0.0.1:0"]},
        models={"aliases": {"gpt-4o-mini": MODEL, "missing": "nothing"}, "default": MODEL},
        engine={"threads": 1, "context": CONTEXT, "sequences": 4, "batch": 128},
    )
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def url(served) -> str:
    """The second of its addresses."""
    return served.url()


@pytest.fixture(scope="module")
def client(url) -> ollama.Client:
    return ollama.Client(host=url)


def test_models_are_listed_shown_and_loaded(client) -> None:
    listed = {one.model for one in client.list().models}
    assert {f"{MODEL}:latest", f"{VECTORS}:latest", "gpt-4o-mini:latest"} <= listed
    assert "missing:latest" not in listed
    shown = client.show(f"{MODEL}:latest")
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo["llama.context_length"] == CONTEXT
    assert shown.details.quantization_level == "Q4_1"
    assert client.show(VECTORS).capabilities == ["embedding"]
    assert client.generate(MODEL).done_reason == "load"
    [loaded] = [one for one in client.ps().models if one.model == f"{MODEL}:latest"]
    assert loaded.expires_at is not None
    assert loaded.size > 10_000_000


@pytest.mark.parametrize("name", [MODEL, f"{MODEL}:latest", "gpt-4o-mini", "default"])
def test_a_greedy_answer_is_the_same_by_both_apis(served, client, name) -> None:
    whole = client.chat(name, USER, options=GREEDY)
    news = list(client.chat(name, USER, options=GREEDY, stream=True))
    body = {"messages": USER, "temperature": 0, "max_tokens": 12, "model": MODEL}
    openai = served.http.post("/v1/chat/completions", json=body).json()
    text = openai["choices"][0]["message"]["content"]
    assert text
    assert whole.message.content == text
    assert "".join(one.message.content for one in news) == text
    assert whole.model == news[-1].model == name
    last = news[-1]
    assert (last.done, last.done_reason) == (True, openai["choices"][0]["finish_reason"])
    assert (last.prompt_eval_count, last.eval_count) == (
        openai["usage"]["prompt_tokens"],
        openai["usage"]["completion_tokens"],
    )
    assert 0 < last.eval_duration < last.total_duration


def test_generated_and_raw_text(served, client) -> None:
    chat = client.chat(MODEL, [{"role": "system", "content": "Be brief."}, *USER], options=GREEDY)
    prompt = USER[0]["content"]
    assert (
        client.generate(MODEL, prompt, system="Be brief.", options=GREEDY).response
        == chat.message.content
    )
    raw = client.generate(MODEL, "One, two, three,", raw=True, options=GREEDY).response
    assert raw == served.complete("One, two, three,", max_tokens=12)


def test_json_by_a_schema(client) -> None:
    class Colour(BaseModel):
        name: str
        warm: bool

    options = {"temperature": 0, "num_predict": 200}
    answer = client.chat(MODEL, USER, format=Colour.model_json_schema(), options=options)
    if answer.done_reason == "stop":
        Colour.model_validate_json(answer.message.content)
    anything = client.generate(MODEL, "A colour as JSON", format="json", options=GREEDY).response
    assert anything.startswith("{")


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_called_and_its_result_answered(client, stream) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: The first number
            b: The second number

        """
        return a + b

    messages: list[Any] = [{"role": "user", "content": "What is 2 + 3?"}]
    options = {"temperature": 0, "num_predict": 60}
    answer = client.chat(CALLER, messages, tools=[add], options=options, stream=stream)
    told = list(answer) if stream else [answer]
    [call, *_] = [call for one in told for call in one.message.tool_calls or ()]
    assert call.function.name == "add"
    assert {type(value) for value in call.function.arguments.values()} == {int}
    made = {"role": "assistant", "content": "", "tool_calls": [call]}
    result = {"role": "tool", "content": "5", "tool_name": "add"}
    asked = [*messages, made, result]
    assert client.chat(CALLER, asked, options=GREEDY).message.content


def test_texts_are_embedded_as_by_the_other_api(served, client) -> None:
    texts = ["a cat", "a kitten", "an invoice"]
    embedded = client.embed(VECTORS, texts)
    body = {"model": VECTORS, "input": texts}
    openai = served.http.post("/v1/embeddings", json=body).json()
    for ours, theirs in zip(embedded.embeddings, openai["data"], strict=True):
        assert ours == pytest.approx(theirs["embedding"], abs=1e-6)
    assert client.embeddings(VECTORS, "a cat").embedding == pytest.approx(
        embedded.embeddings[0], abs=1e-4
    )
    with pytest.raises(ollama.ResponseError, match="truncate"):
        client.embed(VECTORS, "word " * 5000)
    assert len(client.embed(VECTORS, "word " * 5000, truncate=True).embeddings) == 1


def test_what_does_not_fit_is_an_error(client) -> None:
    with pytest.raises(ollama.ResponseError, match="context") as caught:
        client.chat(MODEL, [{"role": "user", "content": "word " * 2 * CONTEXT}])
    assert caught.value.status_code == 400


def test_errors_have_their_status(served, client) -> None:
    for model in ("nothing", "missing"):
        with pytest.raises(ollama.ResponseError, match="nothing") as caught:
            client.chat(model, USER)
        assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="models remove"):
        client.delete(MODEL)
    with pytest.raises(ollama.ResponseError, match="edge-rt models pull nothing"):
        client.pull("nothing")
    assert client.pull(MODEL).status == "success"


# --- Home Assistant: its reader, replayed with the client that it uses


async def home_reads(client: ollama.AsyncClient, **fields: Any) -> tuple[dict[str, Any], Any]:
    """The assistant's message as it puts the stream together, and the last chunk."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
    last = None
    async for last in await client.chat(**HOME, options=HOME_OPTIONS, **fields):
        told = last.message
        message["content"] += told.content or ""
        for call in told.tool_calls or ():
            made = {"name": call.function.name, "arguments": call.function.arguments}
            message["tool_calls"].append({"function": made})
    return message, last


def test_home_assistant_controls_a_device(url) -> None:
    async def run() -> None:
        client = ollama.AsyncClient(url)
        listed = await asyncio.wait_for(client.list(), 5)
        assert CALLER in {one["model"].removesuffix(":latest") for one in listed["models"]}
        assert all(one["size_vram"] is not None for one in (await client.ps())["models"])
        messages = [
            {"role": "system", "content": "You are a voice assistant."},
            {"role": "user", "content": "Turn on the lamp."},
        ]
        said, last = await home_reads(client, model=CALLER, messages=messages, tools=[TURN_ON])
        assert {one["function"]["name"] for one in said["tool_calls"]} == {"HassTurnOn"}
        assert last.done
        # Results carry neither name nor id.
        results = [{"role": "tool", "content": '{"success": true}'} for _ in said["tool_calls"]]
        asked = [*messages, said, *results]
        answer, _ = await home_reads(client, model=CALLER, messages=asked)
        assert answer["content"]
        assert not answer["tool_calls"]

    asyncio.run(run())


def test_home_assistants_ai_task_gets_its_structure(url) -> None:
    async def run() -> None:
        client = ollama.AsyncClient(url)
        said, last = await home_reads(client, model=MODEL, messages=USER, format=REPORT)
        jsonschema.validate(json.loads(said["content"]), REPORT)
        assert last.done_reason == "stop"
        image = [{**USER[0], "images": ["aGk="]}]
        with pytest.raises(ollama.ResponseError, match="cannot see images"):
            await home_reads(client, model=MODEL, messages=image)

    asyncio.run(run())


def test_home_assistant_is_told_what_was_not_honoured(url) -> None:
    body = HOME | {"model": MODEL, "messages": USER, "options": HOME_OPTIONS | {"num_predict": 2}}
    response = httpx.post(f"{url}/api/chat", json=body, timeout=60)
    last = json.loads(response.text.splitlines()[-1])
    told = " ".join(last["edge"]["warnings"])
    assert f"8192 tokens are wanted, there is room for {CONTEXT}" in told
    assert "keep_alive" in told


def test_home_assistants_key_is_wanted_from_other_machines(own_daemon, store) -> None:
    key = "a key for a test"
    hashed = hashlib.sha256(key.encode()).hexdigest()
    daemon = own_daemon(store, tcp={"listen": "127.0.0.1:0", "api_key_sha256": [hashed]})
    right = {"Authorization": f"Bearer {key}"}
    assert ollama.Client(daemon.url(), headers=right).list().models
    with pytest.raises(ollama.ResponseError) as caught:
        ollama.Client(daemon.url()).list()
    assert caught.value.status_code == 401


# --- langchain-ollama, llm-ollama and ollama for JavaScript


@pytest.fixture(scope="module")
def programs(cache: Path) -> Path:
    return client_environment("clients", cache)


@pytest.fixture(scope="module")
def langchain(programs, url) -> Any:
    """Return what the program tells."""
    words = [programs / "python", PROGRAM, url, MODEL, CALLER, VECTORS]
    environment = os.environ | {"LANGSMITH_TRACING": "false"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_langchain_gets_text_and_structured_output(langchain) -> None:
    assert langchain["said"]
    assert langchain["said"] == langchain["streamed"] == langchain["text"]
    assert langchain["usage"]["output_tokens"] > 0
    for how in ("whole", "streamed"):
        jsonschema.validate(langchain["structured"][how], REPORT)


def test_langchain_calls_a_tool_and_embeds(langchain) -> None:
    told = langchain["tools"]
    assert {name for name, _ in told["calls"]} == {"get_weather"}
    assert told["streamed"] == told["calls"]
    assert told["answer"]
    assert [len(vector) for vector in langchain["vectors"]] == [384, 384]


@pytest.fixture
def llm(programs, url, tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `llm` with the daemon's models."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [programs / "llm", *words],
            env=os.environ | {"LLM_USER_PATH": str(tmp_path), "OLLAMA_HOST": url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_llm_finds_the_models_and_answers(llm, served) -> None:
    assert f"ollama/{CALLER}:latest" in llm("models").stdout
    options = ["-m", "ollama/gpt-4o-mini", "-o", "temperature", "0", "-o", "num_predict", "12"]
    told = llm(*options, USER[0]["content"]).stdout.strip()
    body = {"messages": USER, "temperature": 0, "max_tokens": 12}
    openai = served.post(body, "/v1/chat/completions").json()
    assert told == openai["choices"][0]["message"]["content"].strip()


def test_llm_gets_json_by_a_schema_and_vectors(llm) -> None:
    words = ["-m", f"ollama/{MODEL}:latest", "-o", "temperature", "0"]
    told = llm(*words, "--schema", json.dumps(REPORT), "The weather of Oslo for 3 days").stdout
    jsonschema.validate(json.loads(told), REPORT)
    vector = llm("embed", "-m", f"ollama/{VECTORS}:latest", "-c", "a cat").stdout
    assert len(json.loads(vector)) == 384


def test_llm_calls_a_tool(llm) -> None:
    words = ["-m", f"ollama/{CALLER}:latest", "-o", "temperature", "0", "-o", "num_predict", "60"]
    told = llm(*words, "-T", "llm_version", "--td", "Which version of llm is this?")
    assert "Tool call: llm_version({})" in told.stderr


def test_javascripts_client(served, url, cache) -> None:
    node, modules = node_environment(cache)
    words = [node, PACKAGES / "with_ollama.js", modules, url, MODEL, CALLER, VECTORS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert f"{MODEL}:latest" in told["models"]
    assert told["capabilities"] == ["completion", "tools"]
    assert told["streamed"]
    assert told["streamed"] == told["whole"]
    assert told["edge"]["model"] == MODEL
    assert [call["function"]["name"] for call in told["calls"]] == ["add"] * len(told["calls"])
    assert told["calls"]
    assert told["json"]["city"] in ("Paris", "Oslo")
    assert told["widths"] == [384, 384]
    status, message = told["missing"]
    assert status == 404
    assert "nothing" in message
