"""The decode loop of the engine process, and the messages that it obeys."""

from __future__ import annotations

import logging
import math
import os
import select
import socket
import time
from collections.abc import Callable, Sequence

from edge_rt.core.decoding import CheckerSpec, Constraint
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Tokenized
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.core.system.process import rss_bytes
from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.protocol import (
    VERSION,
    AskPrefixes,
    Cancel,
    Embed,
    EngineWork,
    Failed,
    Generate,
    Hello,
    KeepPrefixes,
    Loaded,
    LoadFailed,
    LoadModel,
    ModelSpec,
    Ping,
    Pong,
    SetLimits,
    Shutdown,
    StepOutput,
    ToEngine,
    Tokenize,
    Unloaded,
    UnloadModel,
)
from edge_rt.engine.scheduler.passes import DutyCycle
from edge_rt.engine.scheduler.runner import AnyRunner, EngineCounters, failed
from edge_rt.engine.worker.loading import Loader, LoadOutcome, OpenVocabulary, no_vocabulary
from edge_rt.engine.worker.model_registry import AnyBackend, ModelRegistry
from edge_rt.engine.worker.port import Compiler, Poll, Port

log = logging.getLogger(__name__)

MakeBackend = Callable[[ModelSpec, int], AnyBackend]

STILL_S = 1.0  # how often those who wait are told that nothing is computed
TRIED = 64  # tokens are read, about, where it is found out how drafts may be read


class Worker:
    """The decode loop and what it holds."""

    def __init__(
        self,
        sock: socket.socket,
        make_backend: MakeBackend,
        *,
        backends: dict[str, str],
        threads: int,
        gpus: Sequence[OffloadDevice] = (),
        clock: Callable[[], float] = time.monotonic,
        poll: Callable[[], Poll] = select.poll,
        park: Callable[[], object] = lambda: None,
        open_vocabulary: OpenVocabulary = no_vocabulary,
        beat: Heartbeat | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """`backends` maps each backend to its version; `threads` to start with.

        `gpus` are those on which layers can be put.

        `clock` is in seconds, `poll` lets them pass, `park` puts native threads to sleep. The front
        reads `beat`; `checkpoints` outlive this engine.
        """
        self._clock = clock
        self._park = park
        self._loader = Loader(make_backend, open_vocabulary)
        self._port = Port(sock, poll)
        self._open = True
        self._begin_s = 0.0  # when the iteration began
        self._duty_cycle = DutyCycle()
        self._tally = EngineCounters(beat=beat or Heartbeat())
        told = self._port.send, self._tally, clock
        self._models = ModelRegistry(SetLimits(threads), *told, backends, checkpoints)
        self._compiler = Compiler(self._models.homes)
        for helper in (self._loader, self._compiler):
            self._port.wake_on(helper.fileno())
        self._port.send(Hello(VERSION, os.getpid(), backends, [*gpus]))

    def run(self) -> None:
        """Serve until Shutdown or until the front is gone."""
        while self._receive():
            able = self._models.able()
            pause_s = self._duty_cycle.pause_s if able else math.inf
            if pause_s:
                self._rest(pause_s, able)
            else:
                self._pass(able)
        self._models.close()
        self._loader.close()
        self._compiler.close()

    # --- the loop

    def _receive(self) -> bool:
        """Begin an iteration: handle messages and finished jobs; return False to stop."""
        self._begin_s = self._clock()
        self._tally.beat.note()
        if self._port.ready() or self._models.settles_s == 0.0:
            self._take_in()
        return self._open and self._port.open

    def _take_in(self) -> None:
        for message in self._port.received():
            self._handle(message)
        self._models.settle()
        for done in self._loader.finished():
            if isinstance(done, Tokenized):
                self._port.send(done)
            else:
                self._loaded(*done)
        for one in self._compiler.finished():
            if one.error is None:
                self._submit(one.request)
            else:
                self._port.send(failed(one.request.id, one.error))

    def _pass(self, able: list[AnyRunner]) -> None:
        streaming = len(able) > 1 and any(s.streaming for s in able)
        read_s = self._tally.read_s
        for scheduler in able:
            scheduler.step(brief=streaming)
            if len(able) > 1:
                scheduler.flush()  # it may be long until its next turn
        spent = self._clock() - self._begin_s
        self._tally.steps += 1
        self._tally.step_s += spent
        self._duty_cycle.computed(spent, prompts=self._tally.read_s > read_s)

    def _rest(self, pause_s: float, able: list[AnyRunner]) -> None:
        """Compute nothing for `pause_s`, or until something arrives."""
        begin = self._clock()
        for scheduler in able:
            scheduler.flush()
        self._park()
        held_up = self._models.running + self._models.waiting > 0
        most_s = min(pause_s, STILL_S if held_up else self._models.settles_s)
        woken = self._port.wait(max(0.0, begin + most_s - self._clock()))
        spent = self._clock() - begin
        self._duty_cycle.rested(spent)
        if able:
            self._tally.rest_s += spent
        if held_up and not woken and most_s < pause_s:
            self._port.send(StepOutput([], EngineWork(now := self._clock(), now, [])))

    # --- messages

    def _handle(self, message: ToEngine) -> None:
        match message:
            case Generate(constraint=Constraint()) | Generate(check=CheckerSpec()):
                self._compiler.start(message)
            case Generate() | Embed():
                self._submit(message)
            case Cancel():
                self._compiler.cancel(message.id)
                self._models.cancel(message.id)
            case LoadModel():
                self._loader.start(message.model, message.spec, self._models.limits.threads)
            case UnloadModel():
                self._models.remove(message.model)
                self._port.send(Unloaded(message.model))
            case SetLimits():
                self._models.limits = message
                self._duty_cycle.pace(message.duty, message.prompt_duty)
            case Tokenize():
                self._tokenize(message)
            case KeepPrefixes():
                for fd in self._models.keep(message):
                    self._port.wake_on(fd)
            case AskPrefixes():
                self._models.tell_prefixes(message)
            case Ping():
                self._port.send(self._pong(message.nonce))
            case Shutdown():
                self._open = False

    def _submit(self, request: Generate | Embed) -> None:
        self._tally.beat.note((request.id,), TRIED)
        scheduler = self._models.get(request.model)
        if scheduler is None:
            why = f"the engine has not loaded {request.model}"
            self._port.send(Failed(request.id, why, code="not_loaded", retry_after_s=1.0))
        elif not isinstance(request, scheduler.serves):
            why = f"{request.model} is a model for other tasks"
            self._port.send(Failed(request.id, why, param="model", code="wrong_kind"))
        else:
            scheduler.submit(request)
        self._tally.beat.note()

    def _tokenize(self, asked: Tokenize) -> None:
        scheduler = None if asked.model is None else self._models.get(asked.model)
        if scheduler is None:
            self._loader.ask(asked)
            return
        try:
            tokens, cached = scheduler.tokenize(str(asked.text), special=asked.special)
            self._port.send(Tokenized(asked.nonce, tokens, cached=cached))
        except RequestError as error:
            self._port.send(Tokenized(asked.nonce, None, message=str(error)))

    def _loaded(self, model: str, outcome: LoadOutcome) -> None:
        if isinstance(outcome.result, str):
            self._port.send(LoadFailed(model, outcome.result))
            return
        backend, threads = outcome.result, self._models.limits.threads
        self._models.add(model, backend, outcome.spec)
        vocab, context = getattr(backend, "vocab", 0), getattr(backend, "context", 0)
        self._port.send(Loaded(model, outcome.load_s, vocab, context, threads))

    def _pong(self, nonce: int) -> Pong:
        limits, tally = self._models.limits, self._tally
        return Pong(
            nonce=nonce,
            rss_bytes=rss_bytes(),
            threads=limits.threads,
            running=self._models.running,
            waiting=self._models.waiting,
            steps=tally.steps,
            step_s=tally.step_s,
            native_s=tally.native_s,
            duty=self._duty_cycle.duty,
            prefill_chunk=limits.prefill_chunk,
            drawn=tally.drawn,
            read=tally.read,
            read_s=tally.read_s,
            rest_s=tally.rest_s,
            spare_s=tally.spare_s,
            gpu_s=tally.gpu_s,
            offloads=self._models.offloads,
        )
