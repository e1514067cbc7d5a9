"""`mcp` gives clients of the Model Context Protocol what the daemon's API has."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import Any, TypeVar

import board_reports as boards
import pytest
from mcp import Client as McpClient
from mcp.shared.exceptions import MCPError

from edge_rt.cli import mcp_server
from edge_rt.cli.client import Client
from edge_rt.cli.mcp_server import McpTools

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
T = TypeVar("T")
TOOLS = {"ask", "plan", "status", "sensors", "set_budget"}


@pytest.fixture
def within(daemon: Daemon) -> Callable[[Callable[[McpClient], Awaitable[T]]], T]:
    """Runs a function of a client that is connected to the server."""
    server = McpTools(lambda: Client(daemon.path, app="editor")).server()

    def run(work: Callable[[McpClient], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with McpClient(server) as client:
                return await work(client)

        return asyncio.run(asyncio.wait_for(connected(), 60))

    return run


def test_tools_and_resources_are_listed_with_what_they_take(within: Any) -> None:
    async def work(client: McpClient) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {*tools} == TOOLS
        assert all(tool.description for tool in tools.values())
        assert tools["ask"].input_schema["required"] == ["prompt"]
        assert tools["sensors"].annotations.read_only_hint
        assert not tools["set_budget"].annotations.read_only_hint
        [ledger] = (await client.list_resources()).resources
        [trace] = (await client.list_resource_templates()).resource_templates
        assert (str(ledger.uri), trace.uri_template) == ("edge-rt://ledger", "edge-rt://trace/{id}")

    within(work)


def test_ask_returns_the_answer_and_its_cost(daemon: Daemon, within: Any) -> None:
    daemon.will("Par", "is")
    said = {"prompt": "Capital?", "system": "Be brief.", "max_tokens": 9, "energy_j": 4.0}
    result = within(lambda client: client.call_tool("ask", said))
    assert not result.is_error
    assert result.structured_content["answer"] == "Paris"
    assert result.structured_content["edge"]["tokens_per_s"] == 68.14
    [(path, body)] = daemon.asked
    assert path == "/v1/chat/completions"
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "Capital?"]
    assert (body["model"], body["max_tokens"]) == ("default", 9)
    assert body["edge"] == {"trace": True, "energy_j": 4.0}


def test_a_call_that_is_cancelled_ends_while_the_model_thinks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    class Thinking(nullcontext[Any]):
        def __enter__(self) -> Any:
            return self

        def events(self, path: str, body: Any) -> Iterator[Any]:
            for word in ("let", "me", "see"):
                told.append(word)
                yield {"choices": [{"delta": {"reasoning_content": word}}]}

    class Cancelled(Exception):
        pass

    def check_cancelled() -> None:
        if len(told) == 2:
            raise Cancelled

    monkeypatch.setattr(mcp_server, "check_cancelled", check_cancelled)
    with pytest.raises(Cancelled):
        McpTools(Thinking).ask("Capital?")
    assert told == ["let", "me"]


def test_plan_status_and_sensors_are_the_daemons_documents(daemon: Daemon, within: Any) -> None:
    documents: dict[str, Any] = {
        "/edge/v1/plan": {"candidates": [{"model": "smol", "energy_j": 4.5}]},
        "/edge/v1/status": {"version": "1.2.3"},
        "/edge/v1/board": {"temp_c": 51.5},
    }
    daemon.documents |= {path: (200, document) for path, document in documents.items()}

    async def work(client: McpClient) -> list[Any]:
        calls = (("plan", {"prompt": "Hi"}), ("status", {}), ("sensors", {}))
        return [(await client.call_tool(*call)).structured_content for call in calls]

    assert within(work) == [*documents.values()]


def test_set_budget_changes_what_is_named_and_removes_caps(daemon: Daemon, within: Any) -> None:
    daemon.documents["/edge/v1/budget"] = (200, {"why": "nothing binds"})
    said = {"power_w": 7.5, "energy_period": "hour", "remove": ["temp_c"]}
    result = within(lambda client: client.call_tool("set_budget", said))
    assert result.structured_content == {"why": "nothing binds"}
    change = {"temp_c": None, "power_w": 7.5, "energy_period": "hour"}
    assert daemon.asked == [("/edge/v1/budget", change)]


def test_what_the_daemon_refuses_is_told_with_its_reason(daemon: Daemon, within: Any) -> None:
    refused = {"error": {"message": "user 65534 may not administrate", "code": None}}
    daemon.documents["/edge/v1/budget"] = (403, refused)

    async def work(client: McpClient) -> list[Any]:
        set_budget = await client.call_tool("set_budget", {"power_w": 5})
        with pytest.raises(MCPError, match="no /edge/v1/trace/none here"):
            await client.read_resource("edge-rt://trace/none")
        return [set_budget.is_error, set_budget.content[0].text]

    failed, text = within(work)
    assert failed
    assert "user 65534 may not administrate" in text


def test_ledger_and_traces_are_resources(daemon: Daemon, within: Any) -> None:
    daemon.documents["/edge/v1/ledger?days=7&last=20"] = (200, boards.ledger())
    daemon.documents["/edge/v1/trace/cmpl-1"] = (200, {"why": "the smallest"})

    async def work(client: McpClient) -> list[Any]:
        uris = ("edge-rt://ledger", "edge-rt://trace/cmpl-1")
        read = [(await client.read_resource(uri)).contents for uri in uris]
        return [json.loads(content.text) for [content] in read]

    assert within(work) == [boards.ledger(), {"why": "the smallest"}]


def test_without_the_extra_it_names_it(
    daemon: Daemon, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "edge_rt.cli.mcp_server")
    monkeypatch.setitem(sys.modules, "mcp", None)
    result = cli("mcp")
    assert result.exit_code == 1
    assert "pip install 'edge_rt[mcp]'" in result.stderr
