"""Clients of other projects get calls and JSON from the real daemon over TCP.

The model is weak: calls that it must make and schemas keep it to what a client can read. Where a
client leaves the choice to the model, a chat template shows it what to write.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from client_environment import (
    CALLER,
    LOCAL,
    PACKAGES,
    PROGRAMS,
    REPORT,
    client_environment,
    node_environment,
)

WEATHER = ["get_weather", {"city": "Oslo", "days": 3}]
APIS = ["chat", "responses"]  # by default it speaks the latter


@pytest.fixture(scope="module")
def daemon(make_daemon: Any, caller_store: Path) -> Iterator[Any]:
    engine = {"threads": 1, "context": 2048, "sequences": 4, "batch": 128}
    made = make_daemon(caller_store, tcp={"listen": "127.0.0.1:0"}, engine=engine)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ran(daemon: Any, cache: Path) -> Callable[[str, str], Any]:
    """Return what a program tells that is run once for all tests, as JSON."""
    told: dict[str, Any] = {}

    def run(name: str, extra: str = "clients") -> Any:
        if name not in told:
            if extra == "node":
                node, modules = node_environment(cache)
                words = [node, PACKAGES / f"with_{name}.js", modules]
            else:
                python = client_environment(extra, cache) / "python"
                words = [python, PROGRAMS / f"with_{name}.py"]
            words += [daemon.url(), daemon.model, CALLER]
            done = subprocess.run(
                words, env=os.environ | LOCAL, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            told[name] = json.loads(done.stdout)
        return told[name]

    return run


# --- pydantic-ai


@pytest.mark.skipif(sys.version_info < (3, 11), reason="pydantic-ai needs Python 3.11")
@pytest.mark.parametrize("how", ["tools", "tools_streamed"])
def test_pydantic_ai_calls_a_tool_and_reports_by_another(ran, how):
    told = ran("pydantic_ai")[how]
    jsonschema.validate(told["output"], REPORT)
    [first, last] = told["calls"]
    assert first[0] == "get_weather"
    assert last == ["report", told["output"]]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="pydantic-ai needs Python 3.11")
def test_pydantic_ai_gets_structured_output_and_text(ran):
    told = ran("pydantic_ai")
    jsonschema.validate(told["native"]["output"], REPORT)
    assert told["text"]["output"]
    assert told["text"]["tokens"] == 8


# --- instructor


@pytest.mark.parametrize("mode", ["tool_call", "json_schema_mode"])
@pytest.mark.parametrize("how", ["plain", "nested", "streamed"])
def test_instructor_gets_objects(ran, mode, how):
    told = ran("instructor", "clients-instructor")[mode]
    report = {**REPORT, "properties": {**REPORT["properties"], "words": {"minItems": 1}}}
    for one in told[how]["skies"] if how == "nested" else [told[how]]:
        jsonschema.validate(one, report)


def test_instructor_sees_an_object_grow(ran):
    assert ran("instructor", "clients-instructor")["json_schema_mode"]["pieces"] > 1


# --- openai-agents


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("how", ["tools", "tools_streamed"])
def test_openai_agents_call_a_tool(ran, how, api):
    told = ran("openai_agents")[api][how]
    [[name, arguments]] = told["calls"]
    assert name == "get_weather"
    assert told["output"] == "rain in {city} for {days} days".format(**arguments)


@pytest.mark.parametrize("api", APIS)
def test_openai_agents_answer_by_a_schema_after_a_call(ran, api):
    jsonschema.validate(ran("openai_agents")[api]["followed"]["output"], REPORT)


@pytest.mark.parametrize("how", ["free", "free_streamed"])
def test_openai_agents_go_on_when_the_model_calls_by_itself(ran, how):
    told = ran("openai_agents")[how]
    assert told["calls"] == [["get_time", {}]]
    assert told["output"]


# --- langchain-openai


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("how", ["", "_streamed", "_strict"])
def test_langchain_gets_structured_output(ran, method, how):
    jsonschema.validate(ran("langchain")["structured"][method + how], REPORT)


def test_langchain_calls_a_tool_and_gets_an_answer_to_its_result(ran):
    told = ran("langchain")["tools"]
    assert {name for name, _ in told["calls"]} == {"get_weather"}
    assert told["streamed"] == told["calls"]
    assert told["answer"]


# --- openai and the AI SDK in Node.js


def test_openai_in_node_speaks_the_responses_api(ran):
    told = ran("openai", "node")
    text = told["text"]
    assert text["whole"]
    assert text["whole"] == text["streamed"]
    assert text["types"][0] == "response.created"
    assert text["types"][-1] == f"response.{text['status']}"
    assert "energy_j" in text["edge"]
    jsonschema.validate(told["parsed"], REPORT)
    assert told["refused"] == [400, "previous_response_id"]
    assert {name for name, _ in told["tools"]["calls"]} == {"get_weather"}
    assert told["tools"]["answer"]


@pytest.mark.parametrize("api", APIS)
def test_the_ai_sdk_gets_text_calls_and_objects(ran, api):
    told = ran("ai_sdk", "node")[api]
    text, tools = told["text"], told["tools"]
    assert text["whole"]
    assert text["whole"] == text["streamed"]
    whole, streamed = text["usage"]
    assert whole["outputTokens"] == streamed["outputTokens"] > 0
    told_results = [f"rain in {one['city']} for {one['days']} days" for _, one in tools["calls"]]
    assert tools["results"] == told_results
    assert tools["results"]
    assert tools["ended"] == "tool-calls"
    assert tools["answer"]
    jsonschema.validate(told["object"], REPORT)


# --- llm


@pytest.fixture
def llm(daemon: Any, cache: Path, tmp_path: Path) -> Callable[..., Any]:
    """Runs `llm`, with a model of the daemon."""
    here = {"api_base": f"{daemon.url()}/v1", "supports_schema": True, "supports_tools": True}
    models = [{"model_id": name, "model_name": name, **here} for name in (daemon.model, CALLER)]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))
    program = client_environment("clients", cache) / "llm"

    def run(model: str, *words: str) -> subprocess.CompletedProcess[str]:
        options = ["-m", model, "-o", "temperature", "0", "-o", "max_tokens", "60"]
        # The plugin that test_ollama.py asks with looks for servers of its own.
        own = {"LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": ""}
        environment = os.environ | LOCAL | own
        done = subprocess.run(
            [program, *options, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.mark.parametrize("stream", [(), ("--no-stream",)])
def test_llm_gets_json_by_a_schema(llm, daemon, stream):
    schema = {key: value for key, value in REPORT.items() if key != "additionalProperties"}
    words = ["--schema", json.dumps(schema), "The weather of Oslo for 3 days"]
    jsonschema.validate(json.loads(llm(daemon.model, *stream, *words).stdout), REPORT)


@pytest.mark.parametrize("stream", [(), ("--no-stream",)])
def test_llm_calls_a_tool_and_goes_on_with_its_result(llm, stream):
    told = llm(CALLER, *stream, "-T", "llm_version", "--td", "Which version of llm is this?")
    assert re.search(r"Tool call: llm_version\({}\)\n  \d+\.\d+\n", told.stderr)
    assert told.stdout.strip()
