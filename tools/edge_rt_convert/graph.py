"""A graph under construction, whose weights go to a file beside it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 21
CONTRIB = "com.microsoft"
_INLINE = 1024  # bytes; smaller tensors stay in the graph
_PAGE = 4096  # so that onnxruntime can map them


class Graph:
    """Nodes by and by; `weights` is the file for their large constants, written as they come."""

    def __init__(self, weights: Path) -> None:
        self._name = weights.name
        self._file = weights.open("wb")
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: list[str | int]) -> str:
        """An input of the model; names in `shape` are free lengths."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, kind: int, shape: list[str | int]) -> None:
        """Make the value `name` an output of the model."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def node(
        self,
        op: str,
        inputs: list[str],
        output: str | list[str],
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node; returns its first output. An empty name leaves an input or output out."""
        outputs = [output] if isinstance(output, str) else output
        made = helper.make_node(
            op, inputs, outputs, name=f"{outputs[0]}/{op}", domain=domain, **attributes
        )
        self._nodes.append(made)
        return outputs[0]

    def constant(self, name: str, array: np.ndarray, bfloat16: bool = False) -> str:
        """A constant, stored once however often it is asked for; `bfloat16`: bits as uint16."""
        if name not in self._constants:
            array = np.ascontiguousarray(array)
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            kind = TensorProto.BFLOAT16 if bfloat16 else kind
            self._constants[name] = self._stored(name, array, kind)
        return name

    def alias(self, name: str, of: str, shape: list[int]) -> str:
        """The bytes of the constant `of` under another name and shape."""
        twin = onnx.TensorProto()
        twin.CopyFrom(self._constants[of])
        twin.name = name
        del twin.dims[:]
        twin.dims.extend(shape)
        self._constants[name] = twin
        return name

    def save(self, path: Path, name: str) -> None:
        """Write the graph to `path`, and close the file of the weights."""
        self._file.close()
        used = {value for node in self._nodes for value in node.input}
        constants = [tensor for key, tensor in self._constants.items() if key in used]
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        model.producer_name = "edge_rt"
        path.write_bytes(model.SerializeToString())

    def _stored(self, name: str, array: np.ndarray, kind: int) -> onnx.TensorProto:
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
        if array.nbytes < _INLINE:
            tensor.raw_data = array.tobytes()
            return tensor
        self._file.write(bytes(-self._file.tell() % _PAGE))
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": self._name, "offset": self._file.tell(), "length": array.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._file.write(array.data if array.ndim else array.tobytes())
        return tensor
