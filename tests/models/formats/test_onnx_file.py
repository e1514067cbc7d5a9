"""An ONNX file is told from others, with what it lacks, whatever bytes it holds."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.onnx_file import read_onnx

Write = Callable[..., Path]
Build = Callable[..., Any]


def test_weights_in_the_file_are_counted(onnx_model: Build, write: Write) -> None:
    found = read_onnx(write(onnx_model().SerializeToString(), "a.onnx"))
    assert (found.parameters, found.quantisation) == (12, "fp32")
    assert (found.external, found.output_width) == ({}, 4)


def test_the_most_frequent_format_names_it(onnx_model: Build, write: Write) -> None:
    model = onnx_model()
    tensor = helper.make_tensor("q", TensorProto.UINT8, [64, 2], bytes(128), raw=True)
    model.graph.initializer.append(tensor)
    found = read_onnx(write(model.SerializeToString(), "a.onnx"))
    assert (found.quantisation, found.parameters) == ("int8", 140)


def test_a_width_that_is_not_fixed_is_not_known(onnx_model: Build, write: Write) -> None:
    model = onnx_model()
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "width"
    assert read_onnx(write(model.SerializeToString(), "a.onnx")).output_width is None
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert read_onnx(write(model.SerializeToString(), "a.onnx")).output_width is None


@pytest.mark.parametrize(
    ("name", "shape", "positions"),
    [
        ("cos_cache", [6, 2], 6),
        ("rope.cos", [6, 2], 6),
        ("bert.embeddings.position_embeddings.weight", [6, 2], 6),
        ("embeddings.position_embeddings.weight_quantized", [6, 2], 6),
        ("embeddings.position_embeddings.weight_scale", [], None),
        ("embeddings.word_embeddings.weight", [6, 2], None),
        ("cosine.weight", [6, 2], None),
    ],
)
def test_tables_tell_how_many_tokens_there_are_places_for(
    name: str, shape: list[int], positions: int | None, onnx_model: Build, write: Write
) -> None:
    model = onnx_model()
    numbers = [0.0] * math.prod(shape)
    model.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, shape, numbers))
    assert read_onnx(write(model.SerializeToString(), "a.onnx")).positions == positions


def test_weights_beside_it_must_be_there_and_whole(onnx_model: Build, write: Write) -> None:
    path = write(onnx_model(external="w.data").SerializeToString(), "a.onnx")
    with pytest.raises(ModelFileError, match=r"'w\.data' with its weights is missing"):
        read_onnx(path)
    write(bytes(47), "w.data")
    with pytest.raises(ModelFileError, match=r"w\.data: truncated: it has 47 .* needs 48"):
        read_onnx(path)
    write(bytes(48), "w.data")
    assert read_onnx(path).external == {"w.data": 48}


@pytest.mark.parametrize("place", ["../w.data", "/etc/passwd", "sub/w.data", ".."])
def test_weights_lie_nowhere_else(place: str, onnx_model: Build, write: Write) -> None:
    path = write(onnx_model(external=place).SerializeToString(), "a.onnx")
    with pytest.raises(ModelFileError, match=r"a\.onnx: .*weights"):
        read_onnx(path)


def stray(place: str = "/etc/passwd") -> TensorProto:
    """A tensor whose numbers lie in another file."""
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    return tensor


def in_a_constant(model: Any) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=stray()))


def in_a_list(model: Any) -> None:
    model.graph.node.append(helper.make_node("Custom", [], ["c"], tensors=[stray()]))


def in_a_branch(model: Any) -> None:
    branch = helper.make_graph([], "branch", [], [], [stray()])
    model.graph.node.append(helper.make_node("If", ["x"], ["c"], then_branch=branch))


def in_a_branch_of_a_branch(model: Any) -> None:
    within = helper.make_model(helper.make_graph([], "outer", [], []))
    in_a_branch(within)
    node = helper.make_node("If", ["x"], ["c"], then_branch=within.graph)
    model.graph.node.append(node)


def in_a_function(model: Any) -> None:
    node = helper.make_node("Constant", [], ["c"], value=stray())
    opset = helper.make_opsetid("", 20)
    model.functions.append(helper.make_function("here", "F", [], ["c"], [node], [opset]))


def in_sparse_weights(model: Any) -> None:
    model.graph.sparse_initializer.add(values=stray(), dims=[1])


def in_training(model: Any) -> None:
    model.training_info.add().algorithm.initializer.append(stray())


@pytest.mark.parametrize(
    "put",
    [
        in_a_constant,
        in_a_list,
        in_a_branch,
        in_a_branch_of_a_branch,
        in_a_function,
        in_sparse_weights,
        in_training,
    ],
)
def test_no_tensor_lies_elsewhere_however_deep(
    put: Callable[[Any], None], onnx_model: Build, write: Write
) -> None:
    model = onnx_model()
    put(model)
    with pytest.raises(ModelFileError, match=r"its weights lie in '/etc/passwd', not"):
        read_onnx(write(model.SerializeToString(), "a.onnx"))


def test_graphs_in_graphs_have_an_end(onnx_model: Build, write: Write) -> None:
    graph = b""
    for _ in range(30):  # a graph within an attribute of a node of a graph
        for number in (6, 5, 1):
            graph = wrapped(number, graph)
    raw = onnx_model().SerializeToString() + wrapped(7, graph)
    with pytest.raises(ModelFileError, match="more than 64 deep"):
        read_onnx(write(raw, "a.onnx"))


def wrapped(number: int, content: bytes) -> bytes:
    """Those bytes as the field of that number."""
    length = len(content)
    return bytes([number << 3 | 2, length & 0x7F | 0x80, length >> 7]) + content


@pytest.mark.parametrize("number", ["-1", "9" * 5000, "٣", "1.5", ""])
def test_a_place_that_is_no_number_is_told(number: str, onnx_model: Build, write: Write) -> None:
    model = onnx_model(external="w.data")
    model.graph.initializer[0].external_data.add(key="offset", value=number)
    with pytest.raises(ModelFileError, match=r"a\.onnx: .* weights at"):
        read_onnx(write(model.SerializeToString(), "a.onnx"))


def test_what_is_no_onnx_file_is_told(onnx_model: Build, write: Write, tmp_path: Path) -> None:
    whole = onnx_model().SerializeToString()
    for content in (b"", b"GGUF" + bytes(64), b"{}", whole[:-1], whole + whole, b"\x08\x0a"):
        path = write(content, "bad.onnx")
        with pytest.raises(ModelFileError, match=r"bad\.onnx: not an ONNX model"):
            read_onnx(path)
    os.mkfifo(tmp_path / "pipe.onnx")
    for name, why in (
        ("pipe.onnx", "not a regular file"),
        ("missing.onnx", "No such file"),
        (".", "not a regular file"),
    ):
        with pytest.raises(ModelFileError, match=why):
            read_onnx(tmp_path / name)


def test_sizes_that_cannot_be_are_told(onnx_model: Build, write: Write) -> None:
    model = onnx_model()
    model.graph.initializer[0].dims[0] = -1
    with pytest.raises(ModelFileError, match="more numbers"):
        read_onnx(write(model.SerializeToString(), "a.onnx"))


@given(st.integers(0, 1 << 32))
def test_no_bytes_do_worse_than_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, onnx_model_bytes: bytes, seed: int
) -> None:
    rng = random.Random(seed)
    content = bytearray(onnx_model_bytes)
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path = tmp_path_factory.getbasetemp() / "fuzzed.onnx"
    path.write_bytes(content)
    try:
        read_onnx(path)
    except ModelFileError as error:
        assert "fuzzed.onnx" in str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def onnx_model_bytes() -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    w = helper.make_tensor("w", TensorProto.FLOAT, [3, 4], bytes(48), raw=True)
    node = helper.make_node("MatMul", ["x", "w"], ["x"])
    graph = helper.make_graph([node], "tiny", [x], [x], [w])
    return helper.make_model(graph).SerializeToString()
