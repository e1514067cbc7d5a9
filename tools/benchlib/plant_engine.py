"""The engine on the second plant: passes whose time comes from memory, cores, clocks or a GPU.

A pass reads all weights once, and computes a row for each token. It takes the longer of both,
softly: decoding one token waits for memory, reading a prompt for the cores.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from benchlib.plant_figures import Figures
from benchlib.plant_load import Work

_SOFT = 3.0  # exponent of the norm of memory time and computing time; infinity: the longer one
_FIXED_S = 0.0006  # overhead of each pass
_CROWDED = 0.45  # speed of a thread that shares its core, as a share
_BRIEF, _LONG_S = 128, 0.5  # rows of a prompt's pass while answers stream, and seconds otherwise
_SERIAL = 0.015  # share of a row's time that more threads do not shorten
_WAKES = 0.7  # share of the memory's speed that cores reach at any clock
_SPIN = 0.97  # share of a thread's time at full power, computing or waiting for other threads


@dataclass(frozen=True)
class Pass:
    """One forward pass: `cores` and `gpu` were busy from `begin_s` to `end_s`.

    `computing` is the share of its time that computing would take alone, `traffic` that of the
    memory's full speed; `toll` is the cores' power over that of other passes of its kind.
    """

    begin_s: float
    end_s: float
    threads: int
    cores: float
    gpu: bool
    computing: float
    traffic: float
    tokens: int
    prompt_s: float
    prompt_tokens: int
    toll: float = 1.0

    @property
    def busy_s(self) -> float:
        """How long it took."""
        return self.end_s - self.begin_s


@dataclass
class _Stream:
    dice: random.Random  # of its own: requests are the same however fast they are answered
    ready_s: float
    prompt: int = 0
    answer: int = 0
    started: bool = False
    toll: float = 1.0  # of its present request


class PlantEngine:
    """Makes passes one after the other, with rests between them; it has no clock of its own.

    A pass holds one token of each stream that decodes and a piece of one prompt. New limits hold
    from the next pass on; clocks and others' load are set from outside.
    """

    def __init__(
        self,
        figures: Figures,
        work: Work,
        seed: int,
        begin_s: float,
        on_gpu: bool,
        varied: float = 0.0,
    ) -> None:
        """Requests come from `begin_s` on; the power of each is off the mean by up to `varied`."""
        kind = figures.kind
        self.threads, self.chunk = kind.cores, 0
        self.duty = self.prompt_duty = 1.0
        self.admitting = True
        self.clock = self.gpu_clock = 1.0  # shares of the top ones
        self.others, self.others_gpu = 0.0, 0.0  # cores, and share of the GPU
        self._kind, self._gb, self._work = kind, figures.model_gb, work
        self._gpu = figures.gpu if on_gpu else None
        self._dice = random.Random(f"engine {seed}")
        self._varied, self._tolls = varied, random.Random(f"tolls {seed}")
        self._known: dict[tuple[int, int, float, float], tuple[float, float, float, float]] = {}
        self._streams = [
            _Stream(random.Random(f"stream {seed} {n}"), begin_s) for n in range(work.streams)
        ]
        for stream in self._streams:
            self._ask(stream, begin_s)
        self._free_s = self._ended_s = self._spent_s = 0.0
        self._read = False  # the last pass
        self._passes: deque[Pass] = deque()
        self._told_s = 0.0

    def pace(self, duty: float, prompt_duty: float, now_s: float) -> None:
        """Rest by these duties from now on, also after the pass before."""
        self.duty, self.prompt_duty = duty, prompt_duty
        self._free_s = max(now_s, self._rested_s())

    @property
    def running(self) -> int:
        """Requests under way."""
        return sum(s.started for s in self._streams)

    @property
    def waiting(self) -> int:
        """Requests that have come and have not begun."""
        return sum(s.ready_s <= self._told_s and not s.started for s in self._streams)

    def run(self, until_s: float) -> None:
        """Make the passes that begin before `until_s`."""
        while self._free_s < until_s:
            ready = [stream for stream in self._streams if self._may(stream)]
            if not ready or min(self.duty, self.prompt_duty) <= 0.0:
                self._free_s = self._next_s(until_s)
            else:
                self._pass(ready)

    def parts(self, begin_s: float, end_s: float) -> Iterator[tuple[float, Pass]]:
        """Each pass between two times with the share of them that it took."""
        for one in self._passes:
            inside_s = min(end_s, one.end_s) - max(begin_s, one.begin_s)
            if inside_s > 0.0:
                yield inside_s / (end_s - begin_s), one

    def take(self, now_s: float) -> list[Pass]:
        """The passes that ended since the last call; earlier ones are forgotten."""
        before, self._told_s = self._told_s, now_s
        found = [p for p in self._passes if before < p.end_s <= now_s]
        while self._passes and self._passes[0].end_s < before:
            self._passes.popleft()
        return found

    def seconds(self, rows: int, threads: int) -> float:
        """Return the time of an undisturbed pass of `rows` on so many threads at these clocks."""
        return self._times(rows, threads)[0]

    def _times(self, rows: int, threads: int) -> tuple[float, float, float, float]:
        """Seconds of a pass, of its computing alone, of its memory alone; share of the memory."""
        key = rows, threads, self.clock, self.gpu_clock
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._worked_out(rows, threads)
        return found

    def _worked_out(self, rows: int, threads: int) -> tuple[float, float, float, float]:
        share = 1.0
        if self._gpu is not None:
            memory_s = self._gb / (self._gpu.memory_gb_s * (0.6 + 0.4 * self.gpu_clock))
            rows_s = rows * self._gb / (self._gpu.rows_per_s * self.gpu_clock)
        else:
            share = self._reach(threads)
            memory_s = self._gb / (self._kind.memory_gb_s * share)
            speed = threads / (1.0 + _SERIAL * (threads - 1)) * self.clock
            rows_s = rows * self._gb / (self._kind.rows_per_s * speed)
        both_s = (memory_s**_SOFT + rows_s**_SOFT) ** (1.0 / _SOFT) + _FIXED_S
        return both_s, rows_s, memory_s, min(1.0, share)

    def _reach(self, threads: int) -> float:
        """Share of the memory's speed that so many threads reach."""
        one = self._kind.one_core
        all_of_them = 1.0 - (1.0 - one) ** self._kind.cores
        these = 1.0 - (1.0 - one * self.clock**0.5) ** threads
        return these / all_of_them * (_WAKES + (1.0 - _WAKES) * self.clock)

    def _slower(self, threads: int) -> float:
        if self._gpu is not None:
            return 1.0 + self.others_gpu
        return 1.0 / _CROWDED if threads + self.others > self._kind.cores + 0.3 else 1.0

    def _pass(self, ready: list[_Stream]) -> None:
        reader = next((s for s in ready if s.prompt > 0), None)
        writers = [s for s in ready if s.prompt <= 0]
        threads = 1 if self._gpu is not None else self.threads
        piece = 0 if reader is None else self._piece(reader, bool(writers), threads)
        rows = piece + len(writers)
        whole_s, rows_s, memory_s, reach = self._times(rows, threads)
        spent = whole_s * self._slower(threads) * self._dice.uniform(0.97, 1.03)
        share = min(1.0, self._kind.cores / (threads + self.others))
        begin, end = self._free_s, self._free_s + spent
        self._passes.append(
            Pass(
                begin,
                end,
                threads,
                threads * share * _SPIN,
                self._gpu is not None,
                min(1.0, rows_s / whole_s),
                min(1.0, memory_s / spent) * reach,
                len(writers),
                spent * piece / rows,
                piece,
                _toll(reader, piece, writers) if self._varied else 1.0,
            )
        )
        self._ended_s, self._spent_s, self._read = end, spent, piece > 0
        self._free_s = self._rested_s()
        self._count(reader, piece, writers, end)

    def _piece(self, reader: _Stream, brief: bool, threads: int) -> int:
        """Rows of a prompt for the next pass."""
        wanted = _BRIEF
        if not brief:
            wanted = max(wanted, int(_LONG_S * _BRIEF / self.seconds(_BRIEF, threads)))
        wanted = min(wanted, self.chunk) if self.chunk else wanted
        return min(reader.prompt, max(1, wanted))

    def _count(
        self, reader: _Stream | None, piece: int, writers: list[_Stream], end_s: float
    ) -> None:
        if reader is not None:
            reader.prompt -= piece
        for stream in writers:
            stream.answer -= 1
            if stream.answer <= 0:
                self._ask(stream, end_s)

    def _rested_s(self) -> float:
        duty = self.prompt_duty if self._read else self.duty
        return self._ended_s if duty <= 0.0 else self._ended_s + self._spent_s * (1.0 / duty - 1.0)

    def _may(self, stream: _Stream) -> bool:
        if stream.started:
            return True
        stream.started = self.admitting and stream.ready_s <= self._free_s
        return stream.started

    def _next_s(self, until_s: float) -> float:
        later = [s.ready_s for s in self._streams if s.ready_s > self._free_s]
        return min([until_s, *later]) if self.duty > 0.0 else until_s

    def _ask(self, stream: _Stream, now_s: float) -> None:
        """Its next request: half to one and a half times the mean."""
        work, dice = self._work, stream.dice
        pause_s = dice.expovariate(1.0 / work.pause_s) if work.pause_s else 0.0
        stream.ready_s, stream.started = now_s + pause_s, False
        stream.prompt = max(1, round(work.prompt_tokens * dice.uniform(0.5, 1.5)))
        stream.answer = max(1, round(work.answer_tokens * dice.uniform(0.5, 1.5)))
        stream.toll = self._tolls.uniform(1.0 - self._varied, 1.0 + self._varied)


def _toll(reader: _Stream | None, piece: int, writers: list[_Stream]) -> float:
    """The mean of all rows' tolls."""
    total = sum(stream.toll for stream in writers)
    if reader is not None:
        total += piece * reader.toll
    return total / (piece + len(writers))
