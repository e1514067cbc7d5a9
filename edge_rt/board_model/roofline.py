"""The board's ceilings, and how long a model takes by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edge_rt.board_model.runtime import Runtime
from edge_rt.config.board import Board, Figure, PowerMode, Unit

# What a well-made kernel reaches of the figures on paper. Raspberry Pis read quantised weights at
# 0.58 to 0.62 of their bus; products of quantised matrices lose more to unpacking.
_OF_INT8, _OF_FP16, _OF_FP32, _OF_BUS = 0.25, 0.4, 0.6, 0.6
_DENSE_OF_SPARSE = 0.5
_FP32_OF_FP64 = 2.0  # vectors of twice as many numbers
# Where nothing at all is known: a small core's vector unit, and its share of the memory.
_OP_PER_CYCLE, _CLOCK_HZ = 8.0, 1.5e9
_CORE_BYTE_PER_S, _BUS_BYTE_PER_S = 4e9, 16e9
_PREFIX = "MODE_"  # of the power modes of an AGX Orin


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a decoder, as its file states them.

    Of a mixture of experts, `parameters` and `file_bytes` are those that one token uses.
    `vocab` 0: not known; the output matrix then counts for every token of a prompt, not for its
    last one only. `kv_bytes_per_number` is 2 where keys and values are kept in f16.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    embedding: int
    parameters: int
    file_bytes: int
    vocab: int = 0
    kv_bytes_per_number: float = 2.0

    @property
    def head_parameters(self) -> int:
        """The matrix that turns the last layer's vector into logits; 0 where not known."""
        return min(self.parameters, self.vocab * self.embedding)

    def kv_bytes(self, context: float) -> float:
        """Return the bytes of the keys and values of `context` tokens."""
        numbers = 2.0 * self.layers * self.kv_heads * self.head_dim
        return numbers * context * self.kv_bytes_per_number

    @property
    def pair_flop(self) -> float:
        """The FLOP of all layers for a pair of a new token and one before it."""
        return 4.0 * self.layers * self.heads * self.head_dim


@dataclass(frozen=True)
class Ceilings:
    """The most FLOP and bytes a second that the processor and its memory do."""

    flop_per_s: Annotated[float, Meta(gt=0)]
    byte_per_s: Annotated[float, Meta(gt=0)]


@dataclass(frozen=True)
class GpuKernels:
    """What llama.cpp's kernels take on a GPU, fitted to published measurements of Jetsons.

    `tools/eval suggest` fits them and holds them against boards and models that were left out.
    """

    of_bus: float = 0.9  # of the memory's bandwidth on paper
    weight_cycles: float = 7.9  # of one CUDA core, to unpack and multiply a weight
    kv_cycles: float = 28.0  # of one CUDA core, for a byte of keys and values
    layer_cycles: float = 74e3  # of the CPU, to start the kernels of a layer
    vocab_cycles: float = 10.0  # of the CPU, for each token that may be drawn

    def seconds(self, board: Board | None, mode: str | None = None) -> GpuSeconds | None:
        """Return the seconds of each on a board in a power mode; None: its clocks are not known."""
        cores_hz = None if board is None else gpu_cores_hz(board, mode)
        if board is None or cores_hz is None:
            return None
        cpu_hz = _mode(board, mode).cpu_hz or max(
            (cluster.max_hz or _CLOCK_HZ for cluster in board.clusters.values()), default=_CLOCK_HZ
        )
        return GpuSeconds(
            weight=self.weight_cycles / cores_hz,
            kv_byte=self.kv_cycles / cores_hz,
            layer=self.layer_cycles / cpu_hz,
            vocab=self.vocab_cycles / cpu_hz,
        )


@dataclass(frozen=True)
class GpuSeconds:
    """What a decoding step takes on a GPU for each of these."""

    weight: float
    kv_byte: float
    layer: float
    vocab: float


KERNELS = GpuKernels()
NO_GPU = GpuSeconds(0.0, 0.0, 0.0, 0.0)


def roofline(shape: ModelShape, ceilings: Ceilings, gpu: GpuSeconds = NO_GPU) -> Runtime:
    """Return the runtime of a model that was never timed, from the ceilings P and B.

    step_s = max(2·N/P, W/B) + N·weight + layers·layer + vocabulary·vocab
    token_s = 2·(N - output matrix)/P
    step_context_s = KV of a token · (1/B + kv_byte)     pair_s = FLOP of a pair / P

    with N parameters, a multiply-add being two FLOP, W bytes of weights, and the seconds of `gpu`:
    small GPUs hide little of the one behind the other. Our formula, after the roofline of QEIL v2
    (arXiv 2602.06057).
    """
    flop_per_s, byte_per_s = ceilings.flop_per_s, ceilings.byte_per_s
    moved_s, computed_s = shape.file_bytes / byte_per_s, 2.0 * shape.parameters / flop_per_s
    around_s = gpu.layer * shape.layers + gpu.vocab * shape.vocab
    return Runtime(
        step_s=max(computed_s, moved_s) + gpu.weight * shape.parameters + around_s,
        token_s=2.0 * (shape.parameters - shape.head_parameters) / flop_per_s,
        step_context_s=shape.kv_bytes(1.0) * (1.0 / byte_per_s + gpu.kv_byte),
        pair_s=shape.pair_flop / flop_per_s,
    )


def reached(shape: ModelShape, timed: Runtime) -> Ceilings | None:
    """Return the ceilings that explain how long a model took: `roofline` the other way round.

    P = 2·(N - output matrix)/token_s     B = W/step_s

    None where the runs do not tell one of the two.
    """
    if timed.token_s == 0.0 or timed.step_s == 0.0:
        return None
    flop = 2.0 * (shape.parameters - shape.head_parameters)
    return Ceilings(flop / timed.token_s, shape.file_bytes / timed.step_s) if flop > 0.0 else None


def board_ceilings(
    board: Board | None,
    cores: int,
    gpu: bool = False,
    mode: str | None = None,
    of_bus: float | None = None,
) -> Ceilings:
    """Return the ceilings of all `cores`, or of the GPU, as far as the profile goes.

    What was reached counts before a share of what is on paper, `of_bus` of the memory. What the
    profile does not tell is taken as eight FLOP a cycle and 4 GB/s for each core, 16 GB/s at most.
    `mode` is a power mode, whose memory clock counts; None: the profile's default one.
    """
    flop = None if board is None else _flop_per_s(board, gpu)
    share = of_bus or (KERNELS.of_bus if gpu else _OF_BUS)
    moved = None if board is None else _byte_per_s(board, share, mode)
    guess = cores * _OP_PER_CYCLE * _CLOCK_HZ
    return Ceilings(flop or guess, moved or min(_BUS_BYTE_PER_S, cores * _CORE_BYTE_PER_S))


def gpu_cores_hz(board: Board, mode: str | None = None) -> float | None:
    """Return the CUDA cores times their clock in a power mode; None: the profile tells neither."""
    if board.gpu is None:
        return None
    limits = _mode(board, mode)
    cores, clock_hz = limits.cuda_cores or board.gpu.cuda_cores, limits.gpu_hz or board.gpu.max_hz
    return cores * clock_hz if cores and clock_hz else None


def power_mode(board: Board, mode: str | None = None) -> PowerMode | None:
    """Return the mode of that name, else the profile's default one, if any."""
    modes = board.power_modes
    named = None if mode is None else modes.get(mode) or modes.get(mode.removeprefix(_PREFIX))
    return named or next((one for one in modes.values() if one.default), None)


def _mode(board: Board, mode: str | None) -> PowerMode:
    return power_mode(board, mode) or PowerMode(source=("own",))


def _flop_per_s(board: Board, gpu: bool) -> float | None:
    if gpu:
        return _unit_flop_per_s(board.compute.gpu) or _unit_flop_per_s(board.compute.module)
    return _unit_flop_per_s(board.compute.cpu)


def _unit_flop_per_s(unit: Unit) -> float | None:
    reached, peak = unit.reached_op_per_s, unit.peak_op_per_s
    known: tuple[tuple[Figure | None, float], ...] = (
        (reached.int8, 1.0),
        (peak.int8, _OF_INT8),
        (peak.fp8_sparse, _OF_INT8 * _DENSE_OF_SPARSE),
        (reached.fp16, 1.0),
        (peak.fp16, _OF_FP16),
        (reached.fp32, 1.0),
        (peak.fp32, _OF_FP32),
        (reached.fp64, _FP32_OF_FP64),
    )
    return next((figure.value * share for figure, share in known if figure is not None), None)


def _byte_per_s(board: Board, of_bus: float, mode: str | None) -> float | None:
    memory = board.memory
    if memory.reached_bandwidth_bytes_per_s is not None:
        return memory.reached_bandwidth_bytes_per_s.value
    if memory.bandwidth_bytes_per_s is None:
        return None
    clocks = [one.memory_hz for one in board.power_modes.values() if one.memory_hz is not None]
    clock_hz = _mode(board, mode).memory_hz
    slower = 1.0 if clock_hz is None else clock_hz / max(clocks)
    return memory.bandwidth_bytes_per_s.value * of_bus * slower
