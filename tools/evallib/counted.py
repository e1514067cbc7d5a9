"""Two models in an engine of our own, which counts what its passes read and tells their time."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchlib.daemon import model_file
from benchlib.http import Address

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.core.decoding import Gating, Made, Mode, Sampling
from edge_rt.core.events import Finished
from edge_rt.engine.generation import modes
from edge_rt.engine.generation.modes import Exactness
from edge_rt.engine.protocol import Failed, Generate, ModelOrigin, ModelSpec, SetLimits, StepOutput
from edge_rt.engine.scheduler.runner import EngineCounters
from edge_rt.engine.worker.model_registry import ModelRegistry
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.models.templates.chat_template import ChatTemplate
from evallib.asker import Reply, Unanswered
from evallib.gates import RandomGate
from evallib.hosting import Host
from evallib.way import CONTROL

EXACT = patch.object(Exactness, "rows", 16)
"""Has drafts be as long as where all passes round alike: the model of the costs is such a one, and
the file that stands in for it may not be."""
CHANCE = patch.object(modes, "EntropyGate", RandomGate)
OUTPUTS = 17  # tokens of a pass whose logits are wanted, a draft and one
Costs = Mapping[int, float]
"""Milliseconds of a pass by its rows, rising."""

SMALL: Costs = {1: 23.2, 4: 68.1, 8: 127.6}
LARGE: Costs = {1: 134.8, 2: 136.6, 4: 171.4, 8: 247.3}
"""Qwen2.5 Coder 0.5B in Q4_K_M, and 1.5B in F16, which costs as much as a 6B model at 4 bits: by
llama.cpp on two quiet cores of x86-64."""


def pass_s(costs: Costs, rows: int) -> float:
    """Return the seconds of a pass, by a straight line between and beyond the rows known."""
    pieces = list(itertools.pairwise(costs.items()))
    piece = next((piece for piece in pieces if rows <= piece[1][0]), pieces[-1])
    (few, low), (many, high) = piece
    return (low + max(0, rows - few) * (high - low) / (many - few)) / 1e3


class Counter:
    """A clock that goes on with each pass, by its rows, and counts them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.passes = 0

    def count(self, backend: LlamaBackend, costs: Costs) -> None:
        """Have the clock go on with the passes of `backend`."""
        forward = backend.forward

        def counted() -> None:
            forward()
            self.now += pass_s(costs, backend.batch.size)
            self.passes += 1

        backend.forward = counted


class CountedEngine:
    """Answers as a server does; the seconds of a Reply are those of the passes by their rows.

    Drafts are as long as these times make worthwhile, and as the table of costs allows: the file
    that is run may be a cheaper stand-in for the model of the table. `added_w` is what the board
    draws beyond idle while it computes.
    """

    def __init__(self, files: Mapping[str, Path], store: Store, how: Counted) -> None:
        self._clock, self._how, self._ids = Counter(), how, itertools.count(1)
        self._events: list[Any] = []
        told = self._events.append, EngineCounters(), lambda: self._clock.now
        self._registry = ModelRegistry(SetLimits(how.threads), *told)
        self._prints: dict[str, str] = {}
        self._templates: dict[str, ChatTemplate] = {}
        size, outputs = how.context, OUTPUTS
        for (id, file), costs in zip(files.items(), (LARGE, SMALL), strict=True):
            backend = LlamaBackend(
                file, context=size, sequences=2, batch=512, threads=how.threads, outputs=outputs
            )
            self._clock.count(backend, costs)
            origin = ModelOrigin(id, store.get(id).sha256)
            spec = ModelSpec("llama.cpp", str(file), size, 2, outputs=outputs, origin=origin)
            self._registry.add(id, backend, spec)
            self._prints[id] = store.get(id).sha256[:12]
            said = store.get(id).summary
            self._templates[id] = ChatTemplate(said.chat_template, said.bos_token, said.eos_token)

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """Return the answer to a chat; raise Unanswered."""
        model, edge, id = body["model"], body["edge"], next(self._ids)
        prompt = self._templates[model].render(body["messages"])
        sampling = Sampling(temperature=body["temperature"], seed=body["seed"])
        asked = Generate(
            id, model, prompt, True, sampling, body["max_tokens"], fresh=True, mode=mode_of(edge)
        )
        begin_s = self._clock.now
        with CHANCE if edge.get("mode") == f"switch:{CONTROL}" else nullcontext():
            text, end = self._run(asked)
        seconds = self._clock.now - begin_s
        made = end.made or Made()
        told = {"mode": edge.get("mode"), "energy_j": seconds * self._how.added_w, **made.named()}
        return Reply(
            text=text,
            reason=end.reason,
            begin_s=begin_s,
            end_s=self._clock.now,
            prompt_tokens=end.timings.prompt_tokens,
            cached_tokens=0,
            tokens=end.timings.completion_tokens,
            fingerprint=self._prints[model],
            edge=told,
        )

    def _run(self, asked: Generate) -> tuple[str, Finished]:
        self._events.clear()
        runner = self._registry.get(asked.model)
        assert runner is not None, "both were loaded"
        runner.submit(asked)
        while self._registry.running + self._registry.waiting:
            for runner in self._registry.able():
                runner.step()
                runner.flush()
        deltas = [d for e in self._events if isinstance(e, StepOutput) for d in e.deltas]
        for event in self._events:
            if isinstance(event, Failed):
                raise Unanswered(event.message)
            if isinstance(event, Finished):
                return "".join(delta.text for delta in deltas), event
        raise Unanswered("the engine ended without an answer")

    def close(self) -> None:
        """Free the models."""
        self._registry.close()


def mode_of(edge: Mapping[str, Any]) -> Mode | None:
    """Return the mode that a request's `edge` asks for; None: one model by itself."""
    name, _, gate = edge.get("mode", "single").partition(":")
    if name == "single":
        return None
    gating = Gating(share=edge.get("large_share")) if gate else None
    return Mode(name, edge.get("partner"), gating=gating)


@dataclass(frozen=True)
class Counted:
    """An engine with the large and the small model."""

    store: Path
    models: Sequence[str]
    context: int
    threads: int
    added_w: float

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[Host]:
        """Fetch what is missing of the models, load them, and yield the engine as a host."""
        files = {model: model_file(self.store, model) for model in self.models}
        with EXACT:
            engine = CountedEngine(files, Store(self.store, load_catalogue()), self)
            try:
                yield Host(Address(), asker=engine)
            finally:
                engine.close()
