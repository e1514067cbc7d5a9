"""POST /edge/v1/infer: named tensors through a model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send
from typing_extensions import override

from edge_rt.api.allowance import Allowance, grant
from edge_rt.api.edge.tensors import (
    FlatNumbers,
    read_npy,
    read_npz,
    read_tensor,
    write_npy,
    write_npz,
    write_tensor,
)
from edge_rt.api.middleware.decode import decode
from edge_rt.api.middleware.respond import edge_headers, send_bytes
from edge_rt.api.task import Received, TaskEndpoint
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Inferred, Tensor
from edge_rt.core.reports.governor import Amount
from edge_rt.core.requests import InferCall
from edge_rt.generation.usage import Edge

NPY = "application/x-npy"
NPZ = ("application/zip", "application/x-npz")


class InferRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body in JSON; see read_tensor for what each of the inputs may be."""

    inputs: dict[str, Any]
    """Each input by its name: nested lists, or an object with `data`, `shape` and `dtype`."""
    model: str | None = None
    """Id of a model of tensors."""
    edge: Allowance | None = None
    """What the request may take."""


class InferQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the URL says where the body holds arrays only; `input` names that of an .npy file."""

    model: str | None = None
    input: str = ""
    energy_j: Amount | None = None
    latency_s: Amount | None = None


@dataclass(frozen=True)
class InferQuestion:
    """A request, whatever it came in."""

    model: str
    tensors: dict[str, Tensor]
    edge: Allowance | None


def read_query(scope: Scope) -> InferQuery:
    """Return the query; raises RequestError."""
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    try:
        return msgspec.convert(dict(given), InferQuery, strict=False)
    except msgspec.ValidationError as error:
        message = f"The URL's query: {error}."
        raise RequestError(message, code="unknown_parameter") from None


def binary(kind: str) -> bool:
    """Return whether a body of that content type holds arrays; of any other it is JSON."""
    return kind == NPY or kind in NPZ


def read_request(kind: str, query: InferQuery, body: bytes, limit: int) -> InferQuestion:
    """Return the request in a body of that content type, unpacked to at most `limit` bytes."""
    if not binary(kind):
        if query != InferQuery():
            message = (
                "The URL's query goes with arrays, of Content-Type: "
                f"{NPY} or {NPZ[0]}; say it in the body where that is JSON."
            )
            raise RequestError(message, code="unknown_parameter")
        asked = decode(InferRequest, body)
        tensors = {name: read_tensor(given, name) for name, given in asked.inputs.items()}
        return InferQuestion(asked.model or "default", tensors, asked.edge)
    allowance = Allowance(query.energy_j, query.latency_s)
    name = query.input
    tensors = {name: read_npy(body, name)} if kind == NPY else read_npz(body, limit)
    return InferQuestion(query.model or "default", tensors, allowance)


class InferAnswer(msgspec.Struct, frozen=True):
    """The answer in JSON."""

    model: str
    outputs: dict[str, FlatNumbers]
    edge: Edge


class Infer(TaskEndpoint[InferRequest]):
    """Run a model on named tensors; .npy and .npz bodies are taken too.

    The answer comes as what the client accepts.
    """

    body = InferRequest

    @override
    def check_query(self, scope: Scope) -> None:
        read_query(scope)

    @override
    def limit(self, scope: Scope) -> int:
        """Return the most bytes of a body: arrays may be larger than what has to be parsed."""
        requests = self.context.requests
        return requests.tensor_bytes if binary(_kind(scope)) else requests.body_bytes

    @override
    async def answer(self, request: Received, send: Send) -> None:
        scope, limit = request.scope, self.context.requests.tensor_bytes
        # Millions of numbers take a while to read or write, which others must not wait for.
        asked = await asyncio.to_thread(
            read_request, _kind(scope), read_query(scope), request.body, limit
        )
        card = self.card(request, asked.model, "tensors")
        exchange, call = request.exchange, InferCall(card.id, asked.tensors)
        [call] = grant([call], asked.edge, exchange.arrived, app=exchange.app)
        inferred, cost = await self.context.service.tasks.infer(call)
        edge = self.booked(request, card.id, card.backend, inferred.timings, cost)
        accepted = Headers(scope=scope).get("accept", "").lower()
        kind, body = await asyncio.to_thread(_written, accepted, card.id, inferred, edge)
        headers = ((b"content-type", kind.encode()), *edge_headers(edge))
        await send_bytes(send, body, headers=headers)


def _kind(scope: Scope) -> str:
    return Headers(scope=scope).get("content-type", "").lower().partition(";")[0].strip()


def _written(accepted: str, model: str, inferred: Inferred, edge: Edge) -> tuple[str, bytes]:
    """Return the content type and the body that the client accepts; JSON where it does not say."""
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
