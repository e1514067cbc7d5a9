"""A server under test, ours or the peer, as the workloads see it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchlib.http import Address
from benchlib.process import Child


@dataclass(frozen=True)
class Settings:
    """What both sides get alike. Sizes in tokens; `threads` None: the side's own choice."""

    gguf: Path
    model: str  # the name to ask for
    context: int  # of all conversations together
    parallel: int
    threads: int | None = None


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    child: Child
    address: Address
    ready_s: float  # from spawning it to its first answer


@dataclass(frozen=True)
class Loop:
    """Counters of a decode loop since its start: seconds in it, and of them in native code."""

    steps: int
    step_s: float
    native_s: float

    def overhead_since(self, before: Loop) -> float:
        """The share of the time since `before` that was not native; raises when no step was."""
        step_s = self.step_s - before.step_s
        return (step_s - (self.native_s - before.native_s)) / step_s


class Side(Protocol):
    """One of the two servers that are compared."""

    @property
    def name(self) -> str:
        """ "ours" or "peer"."""
        ...

    def features(self) -> str:
        """Its version and the instruction sets that its llama.cpp was built for."""
        ...

    def memory_mb(self, running: Running) -> dict[str, float]:
        """Resident memory in MB (2**20) by a name for the report."""
        ...

    async def loop(self, running: Running) -> Loop | None:
        """The decode loop's counters; None when the server keeps none."""
        ...

    def run(self, settings: Settings) -> AbstractAsyncContextManager[Running]:
        """Start it afresh, check that it has `settings`, and end it however the block is left."""
        ...
