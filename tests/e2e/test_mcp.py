"""The protocol's own client over standard input and output, against a real daemon."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

AS_NOBODY = Path(__file__).with_name("mcp_as_nobody.py")
ENTRY = ["-c", "from edge_rt.cli.entry import main; main()"]
LONG = {"prompt": "Write a long story about a fox.", "max_tokens": 700}

pytestmark = pytest.mark.slow


def within(daemon, work, program=ENTRY):
    """Return what `work` makes of a client whose server this starts."""
    words = [*program, "mcp", "--socket", str(daemon.socket), "--app", "editor"]
    server = StdioServerParameters(command=sys.executable, args=words, env={**os.environ})

    async def connected():
        async with Client(server) as client:
            return await work(client)

    return asyncio.run(asyncio.wait_for(connected(), 300))


def bookings(daemon):
    return daemon.http.get("/edge/v1/ledger?days=1&last=9").json()["last"]


def test_each_tool_and_resource_is_listed_and_can_be_called(own_daemon):
    daemon = own_daemon(socket={"mode": "0600"})

    async def work(client):
        tools = {tool.name for tool in (await client.list_tools()).tools}
        calls = {
            "ask": {"prompt": "What is the capital of France?", "max_tokens": 8},
            "plan": {"prompt": "Hi", "max_tokens": 8},
            "status": {},
            "sensors": {},
            "set_budget": {"power_w": 40.0},
        }
        assert tools == {*calls}
        told = {name: await client.call_tool(name, said) for name, said in calls.items()}
        assert not any(result.is_error for result in told.values())
        documents = {name: result.structured_content for name, result in told.items()}
        for uri in ("edge-rt://ledger", f"edge-rt://trace/{documents['ask']['id']}"):
            [content] = (await client.read_resource(uri)).contents
            documents[uri.partition("//")[2].partition("/")[0]] = json.loads(content.text)
        return documents

    told = within(daemon, work)
    assert told["ask"]["answer"]
    assert told["ask"]["edge"]["model"]
    assert told["plan"]["candidates"][0]["model"] == told["ask"]["edge"]["model"]
    assert told["status"]["version"]
    assert "channels" in told["sensors"]
    assert told["set_budget"]["budget"]["power_w"] == 40.0
    assert daemon.http.get("/edge/v1/budget").json()["budget"]["power_w"] == 40.0
    assert told["ledger"]["last"][0]["app"] == "editor"
    assert told["trace"]["why"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_may_not_change_the_budget_is_refused(own_daemon):
    daemon = own_daemon(socket={"mode": "0666"})
    for folder in daemon.socket.parents:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)

    async def work(client):
        status = await client.call_tool("status", {})
        return status.is_error, await client.call_tool("set_budget", {"power_w": 5.0})

    failed, refused = within(daemon, work, [str(AS_NOBODY)])
    assert not failed
    assert refused.is_error
    assert "user 65534 may not administrate" in refused.content[0].text
    assert daemon.http.get("/edge/v1/budget").json()["budget"]["power_w"] is None


def test_a_call_that_is_cancelled_ends_the_answer(own_daemon, tools):
    daemon = own_daemon()

    async def work(client):
        with suppress(TimeoutError), anyio.fail_after(600):
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "ask", LONG)
                while not daemon.status()["requests"]:
                    await anyio.sleep(0.05)
                group.cancel_scope.cancel()
        return await client.call_tool("status", {})

    within(daemon, work)
    [booked] = tools.eventually(lambda: bookings(daemon), "the answer is booked")
    assert booked["status"] == "cancelled"
    assert booked["completion_tokens"] < LONG["max_tokens"]
