"""What POST /edge/v1/infer takes: JSON, or arrays as numpy saves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

from edge_rt.api.allowance import Allowance
from edge_rt.api.edge.tensors.json_tensors import read_tensor
from edge_rt.api.edge.tensors.npy import read_npy, read_npz
from edge_rt.api.middleware.decode import decode
from edge_rt.core.errors import RequestError
from edge_rt.core.reports.governor import Amount
from edge_rt.engine.protocol import Tensor

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
class Asked:
    """A request, whatever it came in."""

    model: str
    tensors: dict[str, Tensor]
    edge: Allowance | None


_DECODER = msgspec.json.Decoder(InferRequest)


def read_query(scope: Scope) -> InferQuery:
    """The query; raises RequestError."""
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    try:
        return msgspec.convert(dict(given), InferQuery, strict=False)
    except msgspec.ValidationError as error:
        message = f"The URL's query: {error}."
        raise RequestError(message, code="unknown_parameter") from None


def binary(kind: str) -> bool:
    """Whether a body of that content type holds arrays; of any other it is JSON."""
    return kind == NPY or kind in NPZ


def read_request(kind: str, query: InferQuery, body: bytes, limit: int) -> Asked:
    """The request in a body of that content type, unpacked to at most `limit` bytes."""
    if not binary(kind):
        if query != InferQuery():
            message = (
                "The URL's query goes with arrays, of Content-Type: "
                f"{NPY} or {NPZ[0]}; say it in the body where that is JSON."
            )
            raise RequestError(message, code="unknown_parameter")
        asked = decode(_DECODER, body)
        tensors = {name: read_tensor(given, name) for name, given in asked.inputs.items()}
        return Asked(asked.model or "default", tensors, asked.edge)
    allowance = Allowance(query.energy_j, query.latency_s)
    name = query.input
    tensors = {name: read_npy(body, name)} if kind == NPY else read_npz(body, limit)
    return Asked(query.model or "default", tensors, allowance)
