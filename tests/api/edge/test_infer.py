"""POST /edge/v1/infer: tensors in JSON, in and out."""

from __future__ import annotations

import asyncio
import base64
import math
import struct
from typing import Any

import numpy as np
import pytest

from edge_rt.config.schema import Requests
from edge_rt.core.events import Tensor

PATH = "/edge/v1/infer"


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def packed(array: Any) -> dict[str, Any]:
    data = base64.b64encode(array.tobytes()).decode()
    return {"dtype": str(array.dtype), "shape": array.shape, "data": data}


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


def test_an_array_comes_and_goes_in_base64(client, service) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    body = {"model": "net", "inputs": {"x": packed(array)}, "encoding_format": "base64"}
    answer = client.post(PATH, body)
    assert answer.status == 200
    assert service.infers[0].tensors == {"x": Tensor("float32", [2, 3], array.tobytes())}
    assert answer.json()["outputs"] == {"x": packed(array) | {"shape": [2, 3]}}
    assert answer.headers["x-edge-energy-j"] == "1.5"


def test_bytes_without_a_shape_are_one_row(client, service) -> None:
    given = packed(np.arange(3, dtype=np.int16))
    assert sent(client, service, {**given, "shape": None}).shape == [3]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"dtype": "uint8", "data": "no base64!"}, "inputs.x.data"),
        ({"dtype": "uint8", "shape": [3], "data": "AQI="}, "inputs.x.shape"),
        ({"dtype": "int16", "data": "AQID"}, "inputs.x.shape"),
        ({"dtype": "uint8", "shape": [-1, -2], "data": "AQI="}, "inputs.x.shape"),
        ({"data": "AQI="}, "inputs.x"),
    ],
)
def test_bytes_that_are_no_tensor_are_named(client, given: Any, param: str) -> None:
    answer = client.post(PATH, {"model": "net", "inputs": {"x": given}})
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)


def test_what_it_may_take_is_passed_on(make_client, service) -> None:
    client = make_client(monotonic=lambda: 100.0)
    edge = {"energy_j": 2.5, "latency_s": 3.0}
    client.post(PATH, {"model": "net", "inputs": {"x": [1]}, "edge": edge})
    assert [(call.energy_j, call.deadline_s) for call in service.infers] == [(2.5, 103.0)]


def test_a_query_is_refused(client) -> None:
    answer = client.post(f"{PATH}?model=net", {"inputs": {"x": [1]}})
    assert answer.status == 400


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
    assert service.infers[-1].tensors == {}


@pytest.mark.parametrize(("model", "status"), [("smol", 400), ("vec", 400), ("absent", 404)])
def test_models_that_take_no_tensors(client, model: str, status: int) -> None:
    assert client.post(PATH, {"model": model, "inputs": {"x": [1]}}).status == status


def test_without_a_model_it_is_the_one_that_takes_tensors(client) -> None:
    assert client.post(PATH, {"inputs": {"x": [1]}}).json()["model"] == "net"


def test_arrays_may_be_larger_than_other_bodies_and_have_an_end(make_client) -> None:
    client = make_client(Requests(body_bytes=500, tensor_bytes=2000))
    assert client.post(PATH, {"inputs": {"x": packed(np.zeros(100))}}).status == 200
    assert client.post(PATH, {"inputs": {"x": packed(np.zeros(300))}}).status == 413


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
