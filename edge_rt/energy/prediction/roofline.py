"""What the board's ceilings allow: how long work takes at least, and how well it uses them."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.config.board import Board, Figure, Memory, Unit
from edge_rt.energy.prediction.work import ModelShape, Work, decode_work, prefill_work

# What a well-made kernel reaches of the figures on paper. Raspberry Pis read quantised weights at
# 0.58 to 0.62 of their bus; products of quantised matrices lose more to unpacking.
_OF_INT8, _OF_FP16, _OF_FP32, _OF_BUS = 0.25, 0.4, 0.6, 0.6
_FP32_OF_FP64 = 2.0  # vectors of twice as many numbers
# Where nothing at all is known: a small core's vector unit, and its share of the memory.
_OP_PER_CYCLE, _CLOCK_HZ = 8.0, 1.5e9
_CORE_BYTE_PER_S, _BUS_BYTE_PER_S = 4e9, 16e9
_CORES_TO_FILL_BUS = 0.5  # of all cores


@dataclass(frozen=True)
class Ceilings:
    """The most FLOP and bytes a second that the processor and its memory do."""

    flop_per_s: float
    byte_per_s: float

    @property
    def ridge(self) -> float:
        """FLOP for each byte from which on computing binds, not the memory."""
        return self.flop_per_s / self.byte_per_s

    def of(self, threads: int, cores: int) -> Ceilings:
        """The ceilings for `threads` of `cores`, taking half of the cores to fill the bus."""
        busy = min(threads, cores) / cores
        return Ceilings(
            self.flop_per_s * busy, self.byte_per_s * min(1.0, busy / _CORES_TO_FILL_BUS)
        )


def dasi(work: Work, ceilings: Ceilings) -> float:
    """The share of the processor that `work` can use while memory feeds it, 0 to 1.

    Our formula, after DASI of QEIL v2: min(1, I/I*).
    """
    return min(1.0, work.intensity / ceilings.ridge)


def least_s(work: Work, ceilings: Ceilings) -> float:
    """Seconds that `work` takes at least: max(F/P, Q/B), the roofline."""
    return max(work.flop / ceilings.flop_per_s, work.bytes / ceilings.byte_per_s)


@dataclass(frozen=True)
class Roofline:
    """The runtime of a model that was never timed, from ceilings alone; see Runtime."""

    shape: ModelShape
    ceilings: Ceilings

    def prefill_s(self, computed: int, cached: int = 0) -> float:
        """Seconds to the first token."""
        return least_s(prefill_work(self.shape, computed, cached), self.ceilings)

    def decode_s(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Seconds from the first token to the last, at the mean context."""
        steps = max(0, completion_tokens - 1)
        mean = prompt_tokens + completion_tokens / 2
        return steps * least_s(decode_work(self.shape, mean), self.ceilings)


def board_ceilings(
    board: Board | None, cores: int, clock_hz: float | None = None, gpu: bool = False
) -> Ceilings:
    """The ceilings of all `cores`, or of the GPU, as far as the profile goes.

    What was reached counts before a share of what is on paper. What the profile does not tell is
    taken as eight FLOP a cycle and 4 GB/s for each core, 16 GB/s at most.
    """
    flop = None if board is None else _flop_per_s(board, gpu)
    moved = None if board is None else _byte_per_s(board.memory)
    guess = cores * _OP_PER_CYCLE * (clock_hz or _CLOCK_HZ)
    return Ceilings(flop or guess, moved or min(_BUS_BYTE_PER_S, cores * _CORE_BYTE_PER_S))


def _flop_per_s(board: Board, gpu: bool) -> float | None:
    if gpu:
        return _unit_flop_per_s(board.compute.gpu) or _unit_flop_per_s(board.compute.module)
    return _unit_flop_per_s(board.compute.cpu)


def _unit_flop_per_s(unit: Unit) -> float | None:
    reached, peak = unit.reached_op_per_s, unit.peak_op_per_s
    known: tuple[tuple[Figure | None, float], ...] = (
        (reached.int8, 1.0),
        (peak.int8, _OF_INT8),
        (reached.fp16, 1.0),
        (peak.fp16, _OF_FP16),
        (reached.fp32, 1.0),
        (peak.fp32, _OF_FP32),
        (reached.fp64, _FP32_OF_FP64),
    )
    return next((figure.value * share for figure, share in known if figure is not None), None)


def _byte_per_s(memory: Memory) -> float | None:
    if memory.reached_bandwidth_bytes_per_s is not None:
        return memory.reached_bandwidth_bytes_per_s.value
    peak = memory.bandwidth_bytes_per_s
    return None if peak is None else peak.value * _OF_BUS
