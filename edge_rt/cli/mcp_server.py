"""A daemon's tools and resources for clients of the Model Context Protocol.

https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Annotated, Literal

from anyio.from_thread import check_cancelled
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp_types import ToolAnnotations
from pydantic import Field

from edge_rt import __version__
from edge_rt.cli.client import Client
from edge_rt.cli.commands.run import question
from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.progress import ReceivedAnswer, streaming
from edge_rt.cli.text import Json

LEDGER_DAYS = 7
_ABOUT = """\
A daemon that serves language models on this device within a budget of watts, degrees and joules.
`ask` has a local model answer, which takes energy; `plan` tells beforehand what that would be."""
_READS = ToolAnnotations(read_only_hint=True)
_CHANGES = ToolAnnotations(destructive_hint=False, idempotent_hint=True)

Amount = Annotated[float, Field(gt=0)]
Tokens = Annotated[int, Field(ge=1, le=1 << 20)]
Period = Literal["hour", "day"]
Caps = list[Literal["power_w", "temp_c", "energy_j"]]


class McpTools:
    """Tools and resources; each call is one of the daemon's API, with the rights of this user."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect

    def server(self) -> MCPServer:
        """Return the server of all of them."""
        server = MCPServer("edge_rt", instructions=_ABOUT, version=__version__, log_level="WARNING")
        server.add_tool(self.ask)
        for tool in (self.plan, self.status, self.sensors):
            server.add_tool(tool, annotations=_READS)
        server.add_tool(self.set_budget, annotations=_CHANGES)
        kind = "application/json"
        server.resource("edge-rt://ledger", mime_type=kind)(self.ledger)
        server.resource("edge-rt://trace/{id}", mime_type=kind)(self.trace)
        return server

    def ask(
        self,
        prompt: str,
        model: str = "default",
        system: str | None = None,
        max_tokens: Tokens = 512,
        energy_j: Amount | None = None,
    ) -> Json:
        """Have a model on this device answer; `edge` of the result tells its joules and seconds.

        `model` may be "auto", which lets the daemon choose. With `energy_j` the answer ends once it
        has taken that many joules.
        """
        path, body = question(prompt, system, raw=False)
        edge = {"trace": True} | ({} if energy_j is None else {"energy_j": energy_j})
        body |= {"model": model, "max_tokens": max_tokens, "edge": edge}
        answer = ReceivedAnswer()
        with self._daemon() as client, closing(client.events(path, streaming(body))) as events:
            for event in events:  # those of thoughts, too
                check_cancelled()  # the daemon stops once the connection is closed
                answer.take(event)
        answer.edge.pop("route_trace", None)  # long, and a resource of its own
        told = {"id": answer.id, "answer": answer.text, "finish_reason": answer.finish_reason}
        return told | {"usage": answer.usage, "edge": answer.edge}

    def plan(self, prompt: str, max_tokens: Tokens = 128) -> Json:
        """Predict seconds, joules, watts and degrees of an answer, for each way to make it."""
        _, body = question(prompt, None, raw=False)
        with self._daemon() as client:
            return client.post("/edge/v1/plan", body | {"max_tokens": max_tokens})

    def status(self) -> Json:
        """Tell what the daemon is doing: its models, requests, limits and problems."""
        return self._get("/edge/v1/status")

    def sensors(self) -> Json:
        """Tell every rail, temperature, clock and flag of the board."""
        return self._get("/edge/v1/board")

    def set_budget(
        self,
        power_w: Amount | None = None,
        temp_c: Amount | None = None,
        energy_j: Amount | None = None,
        energy_period: Period | None = None,
        remove: Caps | None = None,
    ) -> Json:
        """Change the caps on watts, degrees and joules until the daemon ends.

        What is left out stays; `remove` names caps that are taken away.
        """
        said: Json = {"power_w": power_w, "temp_c": temp_c, "energy_j": energy_j}
        said["energy_period"] = energy_period
        change: Json = dict.fromkeys(remove or ())
        change |= {name: value for name, value in said.items() if value is not None}
        with self._daemon() as client:
            return client.put("/edge/v1/budget", change)

    def ledger(self) -> str:
        """Tell what answers of the last days took, by day, model and application."""
        return json.dumps(self._get(f"/edge/v1/ledger?days={LEDGER_DAYS}&last=20"))

    def trace(self, id: str) -> str:
        """Tell why an answer went to the model that it came from."""
        return json.dumps(self._get(f"/edge/v1/trace/{id}"))

    def _get(self, path: str) -> Json:
        with self._daemon() as client:
            return client.get(path)

    @contextmanager
    def _daemon(self) -> Generator[Client]:
        """Connect to the daemon; what fails is told to the client with its reason."""
        try:
            with self._connect() as client:
                yield client
        except CommandFailure as error:
            raise ResourceError(error.message) from error  # of tools, too
