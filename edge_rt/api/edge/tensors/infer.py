"""POST /edge/v1/infer: named tensors through a model."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from edge_rt.api.allowance import grant
from edge_rt.api.edge.tensors.infer_request import NPY, NPZ, binary, read_query, read_request
from edge_rt.api.edge.tensors.json_tensors import FlatNumbers, write_tensor
from edge_rt.api.edge.tensors.npy import write_npy, write_npz
from edge_rt.api.generation.task import Received, Task, header
from edge_rt.api.generation.usage import Edge
from edge_rt.api.middleware.headers import Headers, edge_headers
from edge_rt.api.middleware.respond import send_bytes
from edge_rt.core.requests import InferCall
from edge_rt.engine.protocol import Inferred, Tensor


class InferAnswer(msgspec.Struct, frozen=True):
    """The answer in JSON."""

    model: str
    outputs: dict[str, FlatNumbers]
    edge: Edge


class Infer(Task):
    """Runs a model on tensors that come as JSON, .npy or .npz, and go as what is accepted."""

    def check_query(self, scope: Scope) -> None:
        """See Task."""
        read_query(scope)

    def limit(self, scope: Scope) -> int:
        """See Task: arrays may be larger than what has to be parsed."""
        requests = self.context.requests
        return requests.tensor_bytes if binary(_kind(scope)) else requests.body_bytes

    async def answer(self, request: Received, send: Send) -> None:
        """See Task; raises RequestError or ModelNotFound and what the service raises."""
        scope, limit = request.scope, self.context.requests.tensor_bytes
        # Millions of numbers take a while to read or write, which others must not wait for.
        asked = await asyncio.to_thread(
            read_request, _kind(scope), read_query(scope), request.body, limit
        )
        card = self.card(request, asked.model, "tensors")
        [call] = grant([InferCall(card.id, asked.tensors)], asked.edge, request.exchange.arrived)
        inferred, cost = await self.context.service.infer(call)
        edge = self.booked(card, inferred.timings, cost)
        accepted = header(scope, "accept")
        kind, body = await asyncio.to_thread(_written, accepted, card.id, inferred, edge)
        headers: Headers = ((b"content-type", kind.encode()), *edge_headers(edge))
        await send_bytes(send, body, headers=headers)


def _kind(scope: Scope) -> str:
    return header(scope, "content-type").partition(";")[0].strip()


def _written(accepted: str, model: str, inferred: Inferred, edge: Edge) -> tuple[str, bytes]:
    """The content type and the body that the client accepts; JSON where it does not say."""
    if NPY in accepted:
        return NPY, write_npy(_only(inferred))
    for kind in NPZ:
        if kind in accepted:
            return kind, write_npz(inferred.tensors)
    outputs = {name: write_tensor(tensor) for name, tensor in inferred.tensors.items()}
    return "application/json", msgspec.json.encode(InferAnswer(model, outputs, edge))


def _only(inferred: Inferred) -> Tensor:
    if len(inferred.tensors) == 1:
        return next(iter(inferred.tensors.values()))
    names = ", ".join(inferred.tensors)
    raise HTTPException(406, f"The model has the outputs {names}: accept {NPZ[0]} for all of them.")
