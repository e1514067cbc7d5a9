"""Products with the matrices of a GGUF, and look-ups in its table of embeddings."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from edge_rt_convert.blocks import FLOATS, Blocks, eight_bits, unpack
from edge_rt_convert.graph import CONTRIB, Graph
from edge_rt_convert.source import Source

_INT8 = 4  # accuracy level: activations may be rounded to 8 bits, as llama.cpp does


class Linear:
    """Puts matrices of `source` into `graph`, each in the form that it has in the file.

    With `round_all` all are rounded to 8 bits instead.
    """

    def __init__(self, source: Source, graph: Graph, round_all: bool = False) -> None:
        self._source = source
        self._graph = graph
        self._round_all = round_all
        self._blocks: dict[str, Blocks] = {}  # of tables that are used twice
        self._sums: dict[tuple[str, int], str] = {}

    def product(self, x: str, weight: str, output: str, bias: str = "") -> str:
        """`output` = x times the transposed matrix `weight` (+ the vector `bias`)."""
        added = self._graph.constant(bias, self._source.floats(bias)) if bias else ""
        blocks = self._blocks.pop(weight, None) or self._unpacked(weight)
        if blocks is None:
            return self._float_product(x, weight, output, added)
        names = self._quantised(weight, blocks)
        exact = blocks.offsets is None
        product = output if exact else f"{output}/scaled"
        outputs, inputs = blocks.shape
        self._graph.node(
            "MatMulNBits",
            [x, *names] + (["", "", added] if added else []),
            product,
            CONTRIB,
            bits=blocks.bits,
            block_size=blocks.size,
            N=outputs,
            K=inputs,
            accuracy_level=_INT8,
        )
        return output if exact else self._corrected(x, product, weight, blocks, output)

    def lookup(self, ids: str, table: str, output: str) -> str:
        """`output` = the rows `ids` of the matrix `table`, in float32."""
        blocks = self._unpacked(table)
        if blocks is None:
            rows = self._graph.node("Gather", [self._floats(table), ids], f"{output}/rows")
            return self._graph.node("Cast", [rows], output, to=TensorProto.FLOAT)
        self._blocks[table] = blocks
        weights, scales = self._quantised(table, blocks)
        rows, columns = blocks.shape
        flat = self._graph.alias(f"{weights}.flat", weights, [rows, columns * blocks.bits // 8])
        exact = blocks.offsets is None
        found = self._graph.node(
            "GatherBlockQuantized",
            [flat, ids, scales],
            output if exact else f"{output}/scaled",
            CONTRIB,
            bits=blocks.bits,
            block_size=blocks.size,
            gather_axis=0,
            quantize_axis=1,
        )
        return found if exact else self._shifted(found, ids, table, blocks, output)

    def _unpacked(self, weight: str) -> Blocks | None:
        """The matrix in blocks; None where it is of floats and stays so."""
        tensor = self._source.tensor(weight)
        if self._round_all:
            return eight_bits(self._source.weights(weight))
        return None if tensor.tensor_type.name in FLOATS else unpack(tensor)

    def _quantised(self, weight: str, blocks: Blocks) -> list[str]:
        packed = self._graph.constant(f"{weight}.blocks", blocks.packed())
        return [packed, self._graph.constant(f"{weight}.scales", blocks.scales)]

    def _corrected(self, x: str, product: str, weight: str, blocks: Blocks, output: str) -> str:
        """Add what the offsets make: each times the sum of x over its block."""
        assert blocks.offsets is not None
        offsets = self._graph.constant(f"{weight}.offsets", blocks.offsets.T)
        sums = self._block_sums(x, blocks)
        shift = self._graph.node("MatMul", [sums, offsets], f"{output}/shift")
        return self._graph.node("Add", [product, shift], output)

    def _block_sums(self, x: str, blocks: Blocks) -> str:
        """Sums of x over blocks of its last axis, once for all matrices that need them."""
        key = (x, blocks.size)
        if key not in self._sums:
            name = f"{x}/sums"
            split = self._reshaped(x, blocks, f"{name}/blocks")
            axes = self._graph.constant("last_axis", np.array([-1], np.int64))
            self._sums[key] = self._graph.node("ReduceSum", [split, axes], name, keepdims=0)
        return self._sums[key]

    def _shifted(self, found: str, ids: str, table: str, blocks: Blocks, output: str) -> str:
        """Add to every block of the rows that were found its offset."""
        assert blocks.offsets is not None
        offsets = self._graph.constant(f"{table}.row_offsets", blocks.offsets[..., None])
        gathered = self._graph.node("Gather", [offsets, ids], f"{output}/offsets")
        split = self._reshaped(found, blocks, f"{output}/blocks")
        added = self._graph.node("Add", [split, gathered], f"{output}/added")
        columns = blocks.shape[1]
        shape = self._graph.constant(f"rows_of_{columns}", np.array([0, 0, columns], np.int64))
        return self._graph.node("Reshape", [added, shape], output)

    def _reshaped(self, x: str, blocks: Blocks, output: str) -> str:
        """The last of three axes of `x`, split into blocks."""
        count = blocks.shape[1] // blocks.size
        shape = np.array([0, 0, count, blocks.size], np.int64)
        name = self._graph.constant(f"blocks_of_{blocks.shape[1]}_{blocks.size}", shape)
        return self._graph.node("Reshape", [x, name], output)

    def _float_product(self, x: str, weight: str, output: str, bias: str) -> str:
        wide = f"{weight}.float32"
        self._graph.node("Cast", [self._floats(weight)], wide, to=TensorProto.FLOAT)
        self._graph.node("Transpose", [wide], f"{output}/matrix", perm=[1, 0])
        if not bias:
            return self._graph.node("MatMul", [x, f"{output}/matrix"], output)
        product = self._graph.node("MatMul", [x, f"{output}/matrix"], f"{output}/product")
        return self._graph.node("Add", [product, bias], output)

    def _floats(self, weight: str) -> str:
        """The matrix as it is in the file: float32, float16 or bfloat16."""
        tensor = self._source.tensor(weight)
        bfloat16 = tensor.tensor_type.name == "BF16"
        columns, rows = (int(length) for length in tensor.shape)
        data = np.asarray(tensor.data)
        data = data.view(np.uint16) if bfloat16 else data
        return self._graph.constant(weight, data.reshape(rows, columns), bfloat16)
