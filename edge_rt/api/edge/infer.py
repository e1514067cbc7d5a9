"""POST /edge/v1/infer: named tensors through a model."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec
from starlette.types import Scope, Send
from typing_extensions import override

from edge_rt.api.allowance import Allowance, grant
from edge_rt.api.edge.tensors import FlatNumbers, read_tensor, write_tensor
from edge_rt.api.middleware.respond import JSON_TYPE, edge_headers, send_bytes
from edge_rt.api.task import Received, TaskEndpoint
from edge_rt.core.events import Tensor
from edge_rt.core.requests import InferCall
from edge_rt.generation.usage import Edge


class InferRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tensors for a model."""

    inputs: dict[str, Any]
    """Each input by its name: nested lists, or an object with `dtype`, `shape` and `data`, which
    may be in base64."""
    model: str | None = None
    """Id of a model of tensors."""
    encoding_format: Literal["list", "base64"] | None = None
    """Whether `data` of the outputs is a list of numbers, or their bytes. Default: a list."""
    edge: Allowance | None = None
    """What the request may take."""


class InferAnswer(msgspec.Struct, frozen=True):
    """The outputs of a model."""

    model: str
    outputs: dict[str, FlatNumbers]
    edge: Edge


class Infer(TaskEndpoint[InferRequest]):
    """Run a model on named tensors."""

    body = InferRequest

    @override
    def limit(self, scope: Scope) -> int:
        return self.context.requests.tensor_bytes

    @override
    async def answer(self, request: Received, send: Send) -> None:
        # Millions of numbers take a while to read or write, which others must not wait for.
        asked, tensors = await asyncio.to_thread(self._read, request)
        card = self.card(request, asked.model, "tensors")
        exchange, call = request.exchange, InferCall(card.id, tensors)
        [call] = grant([call], asked.edge, exchange.arrived, app=exchange.app)
        inferred, cost = await self.context.service.tasks.infer(call)
        edge = self.booked(request, card.id, card.backend, inferred.timings, cost)
        in_base64 = asked.encoding_format == "base64"

        def written() -> bytes:
            outputs = {
                name: write_tensor(tensor, in_base64=in_base64)
                for name, tensor in inferred.tensors.items()
            }
            return msgspec.json.encode(InferAnswer(card.id, outputs, edge))

        body = await asyncio.to_thread(written)
        await send_bytes(send, body, headers=(JSON_TYPE, *edge_headers(edge)))

    def _read(self, request: Received) -> tuple[InferRequest, dict[str, Tensor]]:
        asked = self.read(request)
        return asked, {name: read_tensor(given, name) for name, given in asked.inputs.items()}
