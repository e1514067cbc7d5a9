"""A model of the engine: tokens and busy cores by threads, duty and what others leave free."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from benchlib.plant_load import Work

CONTENDED = 0.42  # of its speed is left to an engine that wants a core which others hold


@dataclass(frozen=True)
class Speed:
    """Tokens a second by threads; the last entry counts for more threads too.

    `decode` is bound by memory and `prompt` by cores; a pass takes the time of one token of the
    former, and of its prompt's tokens on top. `decode_cores` is how busy a thread is while it
    decodes; it reads prompts with all of its core. `decode_clock` is the share of a token's time
    that a lower clock stretches; prompts take all of their time from the clock.
    """

    decode: Sequence[float]
    prompt: Sequence[float]
    decode_cores: float = 0.95
    decode_clock: float = 0.35
    chunk: int = 128  # prompt tokens of one pass


@dataclass(frozen=True)
class Pass:
    """One forward pass; `cores` were busy from `begin_s` to `end_s`."""

    begin_s: float
    end_s: float
    cores: float
    tokens: int
    prompt_s: float
    prompt_tokens: int

    @property
    def busy_s(self) -> float:
        """How long it took."""
        return self.end_s - self.begin_s


@dataclass
class _Stream:
    ready_s: float
    prompt: int
    answer: int
    started: bool = False


class ModelEngine:
    """Makes passes one after the other and rests between them; the caller gives the time.

    A pass holds one token of each stream that decodes and a piece of one prompt, as the engine's
    scheduler has it. New limits hold from the next pass on.
    """

    def __init__(
        self, cores: int, speed: Speed, work: Work, seed: int = 0, idle_s: float = 0.0
    ) -> None:
        """Requests come from `idle_s` on."""
        self.threads, self.prefill_chunk = cores, speed.chunk
        self.admitting = True
        self._duty = self._prompt_duty = 1.0
        self.hog = 0.0  # cores that others want
        self.clock = 1.0  # as a share of the top one
        self._cores, self._speed, self._work = cores, speed, work
        self._dice = random.Random(seed)
        self._streams = [self._stream(idle_s) for _ in range(work.streams)]
        self._free_s = 0.0  # when the next pass may begin
        self._ended_s = self._spent_s = 0.0  # of the last pass
        self._read = False  # a prompt, in the last pass
        self._passes: deque[Pass] = deque()  # those that may still matter to the plant
        self._told_s = 0.0

    def pace(self, duty: float, prompt_duty: float, now_s: float) -> None:
        """Rest as these ask from now on, also from the last pass."""
        self._duty, self._prompt_duty = duty, prompt_duty
        self._free_s = max(now_s, self._rested_s())

    @property
    def running(self) -> int:
        """Requests under way."""
        return sum(s.started for s in self._streams)

    @property
    def waiting(self) -> int:
        """Requests that have come and not begun."""
        return sum(s.ready_s <= self._free_s and not s.started for s in self._streams)

    @property
    def others(self) -> float:
        """Cores that others get while the engine computes."""
        wanted = self.threads + self.hog
        return self.hog * min(1.0, self._cores / wanted)

    def run(self, until_s: float) -> None:
        """Make the passes that begin before `until_s`."""
        while self._free_s < until_s:
            ready: list[_Stream] = []
            for stream in self._streams:
                if self._may(stream):
                    stream.started = True
                    ready.append(stream)
            if not ready or min(self._duty, self._prompt_duty) <= 0.0:
                self._free_s = self._next_s(until_s)
                continue
            self._pass(ready)

    def busy_cores(self, begin_s: float, end_s: float) -> float:
        """On average between two times; earlier ones are forgotten."""
        while self._passes and self._passes[0].end_s < min(begin_s, self._told_s):
            self._passes.popleft()
        shares = (
            p.cores * max(0.0, min(end_s, p.end_s) - max(begin_s, p.begin_s)) for p in self._passes
        )
        return sum(shares) / (end_s - begin_s)

    def take(self, now_s: float) -> list[Pass]:
        """The passes that ended since the last call."""
        before, self._told_s = self._told_s, now_s
        return [p for p in self._passes if before < p.end_s <= now_s]

    def _rested_s(self) -> float:
        duty = self._prompt_duty if self._read else self._duty
        if duty <= 0.0:
            return self._ended_s
        return self._ended_s + self._spent_s * (1.0 / duty - 1.0)

    def _may(self, stream: _Stream) -> bool:
        if stream.started or stream.ready_s > self._free_s:
            return stream.started
        return self.admitting

    def _next_s(self, until_s: float) -> float:
        later = [s.ready_s for s in self._streams if s.ready_s > self._free_s]
        return min([until_s, *later]) if self._duty > 0.0 else until_s

    def _pass(self, ready: list[_Stream]) -> None:
        reader = next((s for s in ready if s.prompt > 0), None)
        writers = [s for s in ready if s.prompt <= 0]
        piece = min(reader.prompt, self.prefill_chunk) if reader else 0
        factor = CONTENDED if self.threads + self.hog > self._cores + 0.3 else 1.0
        prompt_s = piece / (at(self._speed.prompt, self.threads) * factor * self.clock)
        decode_s = self._stretch() / (at(self._speed.decode, self.threads) * factor)
        spent = (prompt_s + decode_s) * self._dice.uniform(0.97, 1.03)
        begin, end = self._free_s, self._free_s + spent
        share = min(1.0, self._cores / (self.threads + self.hog))
        cores = self.threads * share * (1.0 if piece else self._speed.decode_cores)
        read_s = spent * (piece / (piece + len(writers)))  # as the engine shares a pass out
        self._passes.append(Pass(begin, end, cores, len(writers), read_s, piece))
        self._ended_s, self._spent_s, self._read = end, spent, piece > 0
        self._free_s = self._rested_s()
        if reader:
            reader.prompt -= piece
        for stream in writers:
            stream.answer -= 1
            if stream.answer <= 0:
                self._streams[self._streams.index(stream)] = self._stream(end)

    def _stretch(self) -> float:
        """Return what a token takes at the present clock over what it takes at the top one."""
        share = self._speed.decode_clock
        return 1.0 - share + share / self.clock

    def _stream(self, now_s: float) -> _Stream:
        dice, work = self._dice, self._work
        pause_s = dice.expovariate(1.0 / work.pause_s) if work.pause_s else 0.0
        return _Stream(
            now_s + pause_s,
            max(1, round(work.prompt_tokens * dice.uniform(0.5, 1.5))),
            max(1, round(work.answer_tokens * dice.uniform(0.5, 1.5))),
        )


def at(speeds: Sequence[float], threads: int) -> float:
    """The entry of a thread count, 1 being the first."""
    return speeds[min(threads, len(speeds)) - 1]
