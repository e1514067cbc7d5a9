"""The parts of uvicorn that it does not document, and Connection and server.py rely on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from edge_rt.server.connection_limiter import ConnectionLimiter
from edge_rt.server.server import _Server

CHANGED = (
    f"uvicorn {version('uvicorn')} has changed {{}}, which edge_rt relies on: mend Connection and "
    "_Server, then raise the bound of uvicorn in pyproject.toml"
)
# What is overridden, and the function of uvicorn that has to call it.
HOOKS: list[tuple[str, Callable[..., Any]]] = [
    ("send_400_response", H11Protocol.handle_events),
    ("on_response_complete", H11Protocol.handle_events),
    ("timeout_keep_alive_handler", H11Protocol.on_response_complete),
    ("capture_signals", Server.serve),
    ("startup", Server._serve),
    ("main_loop", Server._serve),
    ("on_tick", Server.main_loop),
]


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """No request comes."""


@pytest.fixture
def protocol() -> H11Protocol:
    """One that has a loop and no connection."""
    config, loop = uvicorn.Config(_app, log_config=None, ws="none"), asyncio.new_event_loop()
    made = H11Protocol(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    loop.close()
    return made


@pytest.mark.parametrize(("hook", "caller"), HOOKS)
def test_what_is_overridden_is_called(hook: str, caller: Callable[..., Any]) -> None:
    used = caller.__code__.co_names
    assert hook in used, CHANGED.format(f"{caller.__qualname__}, which calls no {hook},")


@pytest.mark.parametrize(
    "name", ["app", "app_state", "conn", "cycle", "flow", "loop", "transport", "server_state"]
)
def test_a_connection_has_what_is_read_or_set(protocol: H11Protocol, name: str) -> None:
    assert hasattr(protocol, name), CHANGED.format(f"H11Protocol.{name}")
    assert isinstance(protocol.conn, h11.Connection), CHANGED.format("H11Protocol.conn")


@pytest.mark.parametrize("name", ["app", "app_state"])
def test_what_is_set_on_a_connection_is_used_by_its_requests(name: str) -> None:
    assert name in H11Protocol.handle_events.__code__.co_names, CHANGED.format(
        f"H11Protocol.handle_events, which reads no {name},"
    )


@pytest.mark.parametrize("name", ["response_complete", "disconnected", "message_event"])
def test_a_request_has_what_is_read_or_set(name: str) -> None:
    for reader in (RequestResponseCycle.__init__, RequestResponseCycle.receive):
        assert name in reader.__code__.co_names, CHANGED.format(f"RequestResponseCycle.{name}")


def test_a_paused_read_is_known() -> None:
    flow = FlowControl(asyncio.Transport())
    assert getattr(flow, "read_paused", None) is False, CHANGED.format("FlowControl.read_paused")


@pytest.mark.parametrize("name", ["servers", "server_state", "config"])
def test_a_server_has_what_is_read_or_set(name: str) -> None:
    used = {*Server.__init__.__code__.co_names, *Server.shutdown.__code__.co_names}
    assert name in used, CHANGED.format(f"Server.{name}")


def test_a_server_is_told_to_exit_by_a_signals_number() -> None:
    server = Server(uvicorn.Config(_app, log_config=None))
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit, CHANGED.format("Server.handle_exit")


def test_the_bound_of_uvicorn_is_the_minor_version_that_was_tested() -> None:
    major, minor = map(int, version("uvicorn").split(".")[:2])
    bound = f'"uvicorn>={major}.{minor},<{major}.{minor + 1}"'
    assert bound in (Path(__file__).parents[2] / "pyproject.toml").read_text()


def test_a_server_that_is_told_to_end_does_not_wait_for_its_next_tick() -> None:
    async def ends() -> list[int]:
        server = _Server(uvicorn.Config(_app, log_config=None, ws="none"), ConnectionLimiter(8))
        ticks: list[int] = []

        async def on_tick(counter: int) -> bool:
            ticks.append(counter)
            if len(ticks) == 1:
                asyncio.get_running_loop().call_soon(server.handle_exit, signal.SIGTERM, None)
            return server.should_exit

        vars(server)["on_tick"] = on_tick
        with patch("edge_rt.server.server._TICK_S", 3600.0):
            await server.main_loop()
        return ticks

    assert asyncio.run(ends()) == [0, 0]  # the first one writes the header `date`
