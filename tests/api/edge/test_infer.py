"""POST /edge/v1/infer: tensors in JSON, .npy and .npz, in and out."""

from __future__ import annotations

import asyncio
import io
import math
import struct
from typing import Any

import numpy as np
import pytest

from edge_rt.config.schema import Requests
from edge_rt.core.events import Tensor

PATH = "/edge/v1/infer"
NPY = {"content-type": "application/x-npy"}
NPZ = {"content-type": "application/zip"}


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def saved(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def zipped(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth > 1 else [1]


def sent(client, service, given: Any) -> Tensor:
    """Return what the daemon gets for one input."""
    answer = client.post(PATH, {"model": "net", "inputs": {"x": given}})
    assert answer.status == 200, answer.body
    return service.infers[-1].tensors["x"]


@pytest.mark.parametrize(
    ("given", "tensor"),
    [
        ([[1, 2.5]], Tensor("float64", [1, 2], floats(1, 2.5), True)),
        ([1, -2], Tensor("int64", [2], struct.pack("<2q", 1, -2), True)),
        ([[True], [False]], Tensor("bool", [2, 1], b"\x01\x00", True)),
        (3, Tensor("int64", [], struct.pack("<q", 3), True)),
        ([], Tensor("int64", [0], b"", True)),
        ([[], []], Tensor("int64", [2, 0], b"", True)),
        ({"dtype": "uint8", "data": [[1, 255]]}, Tensor("uint8", [1, 2], b"\x01\xff")),
        ({"dtype": "int8", "shape": [2, 1], "data": [1, -1]}, Tensor("int8", [2, 1], b"\x01\xff")),
        ({"dtype": "float16", "data": [1]}, Tensor("float16", [1], struct.pack("<e", 1))),
        ({"dtype": "float32", "data": [2]}, Tensor("float32", [1], struct.pack("<f", 2))),
    ],
)
def test_json_becomes_tensors(client, service, given: Any, tensor: Tensor) -> None:
    assert sent(client, service, given) == tensor


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ([[1], [2, 3]], "inputs.x"),
        ([1, [2]], "inputs.x"),
        ([[1], 2], "inputs.x"),
        ("text", "inputs.x"),
        (["a"], "inputs.x"),
        ([1, None], "inputs.x"),
        ([1, {}], "inputs.x"),
        ([True, 2], "inputs.x"),
        (None, "inputs.x"),
        ([2**70], "inputs.x"),
        (nested(17), "inputs.x"),
        ({"data": [1]}, "inputs.x"),
        ({"dtype": "text", "data": [1]}, "inputs.x.dtype"),
        ({"dtype": 1, "data": [1]}, "inputs.x"),
        ({"dtype": "uint8", "data": [256]}, "inputs.x"),
        ({"dtype": "uint8", "data": [1.5]}, "inputs.x"),
        ({"dtype": "uint8", "data": ["a"]}, "inputs.x"),
        ({"dtype": "float32", "data": [1e300]}, "inputs.x"),
        ({"dtype": "uint8", "shape": [3], "data": [1]}, "inputs.x.shape"),
        ({"dtype": "uint8", "shape": [-1], "data": [1]}, "inputs.x.shape"),
        ({"dtype": "uint8", "shape": "2", "data": [1]}, "inputs.x"),
        ({"dtype": "uint8", "shape": [2**62] * 100_000, "data": [1]}, "inputs.x"),
        ({"dtype": "uint8", "data": [1], "type": "a"}, "inputs.x"),
    ],
)
def test_what_is_no_tensor_is_named(client, service, given: Any, param: str) -> None:
    answer = client.post(PATH, {"model": "net", "inputs": {"x": given}})
    assert answer.status == 400, answer.body
    error = answer.json()["error"]
    assert error["param"] == param
    assert f"`{param}" in error["message"]
    assert not service.infers


def test_types_that_there_are_are_told(client) -> None:
    given = {"dtype": "float99", "data": [1]}
    answer = client.post(PATH, {"model": "net", "inputs": {"x": given}})
    message = answer.json()["error"]["message"]
    assert message.startswith("`inputs.x.dtype`: expected one of bool, ")
    assert message.endswith('uint64, got "float99".')


def test_where_in_a_tensor_a_fault_lies_is_told(client) -> None:
    given = {"dtype": "uint8", "shape": "2", "data": [1]}
    answer = client.post(PATH, {"model": "net", "inputs": {"x": given}})
    assert "Expected `array | null`, got `str` - at `inputs.x.shape`" in answer.body.decode()


def test_an_answer_in_json_has_shapes_and_costs(client, service) -> None:
    data = struct.pack("<4f", 1, 2, math.inf, math.nan)
    service.outputs = {"y": Tensor("float32", [2, 2], data), "n": Tensor("bool", [], b"\x01")}
    answer = client.post(PATH, {"model": "net", "inputs": {"x": [1]}})
    body = answer.json()
    assert body["outputs"] == {
        "y": {"dtype": "float32", "shape": [2, 2], "data": [1, 2, None, None]},
        "n": {"dtype": "bool", "shape": [], "data": [True]},
    }
    assert body["model"] == "net"
    assert body["edge"]["energy_j"] == 1.5
    assert answer.headers["x-edge-backend"] == "onnx"


def test_an_array_comes_and_goes_as_numpy_saves_it(client, service) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    headers = NPY | {"accept": "application/x-npy"}
    answer = client.post(f"{PATH}?model=net&input=x", saved(array), headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-npy"
    assert np.load(io.BytesIO(answer.body)).tolist() == array.tolist()
    assert answer.headers["x-edge-energy-j"] == "1.5"
    assert service.infers[0].tensors == {"x": Tensor("float32", [2, 3], array.tobytes())}


def test_a_single_array_needs_no_name(client, service) -> None:
    client.post(f"{PATH}?model=net", saved(np.zeros(1)), headers=NPY)
    assert list(service.infers[0].tensors) == [""]


@pytest.mark.parametrize("kind", ["application/zip", "application/x-npz"])
def test_several_arrays_come_and_go_in_an_archive(client, kind: str) -> None:
    body = zipped(a=np.ones(2, np.int32), b=np.zeros((1, 1), bool))
    headers = {"content-type": kind, "accept": kind}
    answer = client.post(f"{PATH}?model=net", body, headers=headers)
    assert answer.headers["content-type"] == kind
    found = np.load(io.BytesIO(answer.body))
    assert {name: found[name].tolist() for name in found.files} == {"a": [1, 1], "b": [[False]]}


def test_several_outputs_are_no_single_array(client) -> None:
    headers = NPZ | {"accept": "application/x-npy"}
    answer = client.post(f"{PATH}?model=net", zipped(a=[1], b=[2]), headers=headers)
    assert answer.status == 406
    assert "a, b" in answer.json()["error"]["message"]


def test_what_it_may_take_is_passed_on(make_client, service) -> None:
    client = make_client(monotonic=lambda: 100.0)
    edge = {"energy_j": 2.5, "latency_s": 3.0}
    client.post(PATH, {"model": "net", "inputs": {"x": [1]}, "edge": edge})
    query = "model=net&energy_j=2.5&latency_s=3"
    client.post(f"{PATH}?{query}", saved(np.zeros(1)), headers=NPY)
    assert [(call.energy_j, call.deadline_s) for call in service.infers] == [(2.5, 103.0)] * 2


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("model=net&size=2", NPY),
        ("model=net&energy_j=much", NPY),
        ("model=net&energy_j=-1", NPY),
        ("model=net", {}),  # a JSON body says it itself
    ],
)
def test_a_query_that_asks_for_something_else_is_refused(client, query: str, headers: Any) -> None:
    body = saved(np.zeros(1)) if headers else {"model": "net", "inputs": {"x": [1]}}
    answer = client.post(f"{PATH}?{query}", body, headers=headers)
    assert answer.status == 400


def test_arrays_of_another_content_type_are_told_theirs(client) -> None:
    headers = {"content-type": "application/octet-stream"}
    answer = client.post(f"{PATH}?model=net&input=x", saved(np.zeros(1)), headers=headers)
    assert answer.status == 400
    assert "Content-Type: application/x-npy" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "net"}, "inputs"),
        ({"model": "net", "inputs": None}, "inputs"),
        ({"inputs": {"x": [1]}, "input": 1}, "input"),
    ],
)
def test_bodies_without_tensors_are_refused(client, body: Any, param: str) -> None:
    answer = client.post(PATH, body)
    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


def test_a_model_may_take_no_inputs(client, service) -> None:
    assert client.post(PATH, {"model": "net", "inputs": {}}).status == 200
    assert client.post(f"{PATH}?model=net", zipped(), headers=NPZ).status == 200
    assert [call.tensors for call in service.infers[-2:]] == [{}, {}]


@pytest.mark.parametrize(("model", "status"), [("smol", 400), ("vec", 400), ("absent", 404)])
def test_models_that_take_no_tensors(client, model: str, status: int) -> None:
    assert client.post(PATH, {"model": model, "inputs": {"x": [1]}}).status == status


def test_without_a_model_it_is_the_one_that_takes_tensors(client) -> None:
    assert client.post(PATH, {"inputs": {"x": [1]}}).json()["model"] == "net"


def test_arrays_may_be_larger_than_json_and_both_have_an_end(make_client) -> None:
    client = make_client(Requests(body_bytes=500, tensor_bytes=2000))
    assert client.post(PATH, {"inputs": {"x": [0] * 500}}).status == 413
    assert client.post(PATH, saved(np.zeros(100)), headers=NPY).status == 200
    assert client.post(PATH, saved(np.zeros(300)), headers=NPY).status == 413
    packed = io.BytesIO()
    np.savez_compressed(packed, x=np.zeros(300))
    assert len(packed.getvalue()) < 2000
    assert client.post(PATH, packed.getvalue(), headers=NPZ).status == 413


def test_a_client_that_leaves_cancels_it(client, service) -> None:
    async def run() -> None:
        service.hold = asyncio.Event()
        connection = client.open("POST", PATH, {"model": "net", "inputs": {"x": [1]}})
        while not service.infers:
            await asyncio.sleep(0.001)
        connection.leave()
        await connection.end()

    asyncio.run(run())
    assert service.cancelled == 1
