"""Answers made through the backend protocol, and what each part of them took."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchlib.boards import load_boards
from edge_rt.backends.base import Backend
from edge_rt.twin.plant import Conditions, Plant
from edge_rt.twin.shape import Shape, draw

Clock = Callable[[], float]


class Spent(NamedTuple):
    """Seconds that went by, and core seconds that this process used."""

    seconds: float
    cpu_s: float

    @property
    def busy_cores(self) -> float:
        """The mean of cores at work."""
        return self.cpu_s / self.seconds if self.seconds > 0.0 else 0.0


@dataclass(frozen=True)
class Answer:
    """One answer: what was spent from its beginning until each of its tokens was drawn."""

    prompt_tokens: int
    until: Sequence[Spent]

    @property
    def prefill(self) -> Spent:
        """To read the prompt and draw the first token."""
        return self.until[0]

    def decode(self, completion_tokens: int) -> Spent:
        """From the first token on, had it ended after so many."""
        end = self.until[completion_tokens - 1]
        return Spent(*(b - a for a, b in zip(self.until[0], end, strict=True)))

    def seconds(self, completion_tokens: int) -> float:
        """Return the seconds of the answer up to that many tokens."""
        return self.until[completion_tokens - 1].seconds


def answer(
    backend: Backend,
    prompt: Sequence[int],
    completion_tokens: int,
    clock: Clock = time.perf_counter,
    cpu: Clock = time.process_time,
) -> Answer:
    """Make one, greedily, in the backend's first sequence, of which nothing is kept."""
    backend.rewind(0, 0)
    begin_s, begin_cpu_s = clock(), cpu()
    until: list[Spent] = []
    token = _read(backend, prompt)
    until.append(Spent(clock() - begin_s, cpu() - begin_cpu_s))
    for place in range(len(prompt), len(prompt) + completion_tokens - 1):
        token = _pass(backend, place, [token], last=True)
        until.append(Spent(clock() - begin_s, cpu() - begin_cpu_s))
    return Answer(len(prompt), until)


def _read(backend: Backend, prompt: Sequence[int]) -> int:
    """Run the prompt in passes as large as can be; the first token."""
    token, most = 0, backend.batch.capacity
    for begin in range(0, len(prompt), most):
        part = prompt[begin : begin + most]
        token = _pass(backend, begin, part, last=begin + most >= len(prompt))
    return token


def _pass(backend: Backend, place: int, tokens: Sequence[int], last: bool) -> int:
    """The likeliest token behind `tokens` where they are the `last`, else 0."""
    backend.batch.clear()
    row = backend.batch.add(0, place, tokens, want=int(last))
    backend.forward()
    return int(np.argmax(backend.logits(row))) if last else 0


AIR_C = 25.0
_STEP_S = 0.1


@dataclass(frozen=True)
class Drawn:
    """Joules that each part of an answer added to what the board would have drawn idle, the mean
    of that, and the mean of all.
    """

    added_j: tuple[float, ...]
    idle_w: float
    power_w: float

    @property
    def energy_j(self) -> float:
        """What the answer added."""
        return math.fsum(self.added_j)


class WarmBoard:
    """Board number `seed` of the profile `name`; its seconds are those that were measured here.

    All of it has one temperature when an answer begins, in air of AIR_C. Busy cores are those
    that were measured, so only the watts are simulated, with the chip's leakage at its
    temperature; a board that throttles would also take longer, so begin well below that.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._shape = Shape.of(load_boards()[name])
        self._known = draw(self._shape, seed)

    def draw(self, parts: Sequence[Spent], temp_c: float) -> Drawn:
        """What an answer of these parts draws where the board has `temp_c` when it begins."""
        busy, idle = self._plant(temp_c), self._plant(temp_c)
        whole = [_joules(busy, part.seconds, part.busy_cores) for part in parts]
        rest = [_joules(idle, part.seconds, 0.0) for part in parts]
        seconds = math.fsum(part.seconds for part in parts)
        return Drawn(
            tuple(a - b for a, b in zip(whole, rest, strict=True)),
            math.fsum(rest) / seconds,
            math.fsum(whole) / seconds,
        )

    def _plant(self, temp_c: float) -> Plant:
        return Plant(self._shape, self._known, temp_c)


def _joules(plant: Plant, seconds: float, busy_cores: float) -> float:
    if seconds <= 0.0:
        return 0.0
    steps = math.ceil(seconds / _STEP_S)
    dt_s = seconds / steps
    air = Conditions(AIR_C)
    return math.fsum(plant.step(dt_s, busy_cores, air).total_w * dt_s for _ in range(steps))
