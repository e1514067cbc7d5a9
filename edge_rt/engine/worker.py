"""The engine process: `python -m edge_rt.engine.worker FD`.

One thread owns all models and runs the decode loop; between two passes it takes what has arrived
on the socket. Models are loaded in a thread of their own so that running streams go on. When the
front's end of the socket closes, the engine exits.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_rt.backends.base import Backend
from edge_rt.engine.framing import Frames, encode, engine_decoder
from edge_rt.engine.loading import Loader, Outcome
from edge_rt.engine.memory import rss_bytes
from edge_rt.engine.protocol import (
    VERSION,
    Cancel,
    Failed,
    Generate,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    ModelSpec,
    Ping,
    Pong,
    SetLimits,
    Shutdown,
    ToEngine,
    ToFront,
    Unload,
    Unloaded,
)
from edge_rt.engine.scheduler import Scheduler
from edge_rt.errors import ModelFileError

MakeBackend = Callable[[ModelSpec, int], Backend]


class Worker:
    """The decode loop and what it holds."""

    def __init__(
        self,
        sock: socket.socket,
        make_backend: MakeBackend,
        *,
        backends: dict[str, str],
        threads: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`backends` maps the name of each backend to its version; `threads` to start with."""
        self._sock = sock
        self._clock = clock
        self._threads = threads
        self._models: dict[str, Scheduler] = {}
        self._frames = Frames()
        self._decoder = engine_decoder()
        self._loader = Loader(make_backend)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._poll.register(self._loader, select.POLLIN)
        self._open = True
        self._steps = 0
        self._step_s = 0.0
        self._retired_s = 0.0  # native seconds of models that are gone
        self._send(Hello(VERSION, os.getpid(), backends))

    def run(self) -> None:
        """Serve until Shutdown or until the front is gone."""
        while self._open:
            busy = self._busy()
            begin = self._clock()
            self._receive(wait=not busy)
            for model, outcome in self._loader.finished():
                self._loaded(model, outcome)
            streaming = any(s.streaming for s in busy)
            for scheduler in busy:
                scheduler.step(brief=streaming)
                if len(busy) > 1:
                    scheduler.flush()  # it may be long until its next turn
            if busy:
                self._steps += 1
                self._step_s += self._clock() - begin
        for scheduler in self._models.values():
            scheduler.close("the engine is shutting down")

    # --- the socket

    def _busy(self) -> list[Scheduler]:
        return [s for s in self._models.values() if s.busy]

    def _receive(self, *, wait: bool) -> None:
        """Take what has arrived; with `wait`, wait until something has."""
        ready = self._poll.poll(None if wait else 0)
        if any(fd == self._sock.fileno() for fd, _ in ready):
            for message in self._read():
                self._handle(message)

    def _read(self) -> Iterator[ToEngine]:
        try:
            data = self._sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self._open = False
            return
        for body in self._frames.feed(data):
            yield self._decoder.decode(body)

    def _send(self, message: ToFront) -> None:
        try:
            self._sock.sendall(encode(message))
        except ConnectionError:
            self._open = False

    # --- messages

    def _handle(self, message: ToEngine) -> None:
        match message:
            case Generate():
                self._generate(message)
            case Cancel():
                for scheduler in self._models.values():
                    scheduler.cancel(message.id)
            case Load():
                self._loader.start(message.model, message.spec, self._threads)
            case Unload():
                self._unload(message.model)
            case SetLimits():
                self._threads = message.threads
                for scheduler in self._models.values():
                    scheduler.set_threads(message.threads)
            case Ping():
                self._send(self._pong(message.nonce))
            case Shutdown():
                self._open = False

    def _generate(self, request: Generate) -> None:
        scheduler = self._models.get(request.model)
        if scheduler is None:
            why = f"the engine has not loaded {request.model}"
            self._send(Failed(request.id, why, code="not_loaded", retry_after_s=1.0))
            return
        scheduler.submit(request)

    def _loaded(self, model: str, outcome: Outcome) -> None:
        if isinstance(outcome.result, str):
            self._send(LoadFailed(model, outcome.result))
            return
        backend = outcome.result
        self._unload_if_there(model)
        backend.set_threads(self._threads)
        self._models[model] = Scheduler(backend, outcome.spec, self._send)
        self._send(Loaded(model, outcome.load_s, backend.vocab, backend.context, self._threads))

    def _unload(self, model: str) -> None:
        self._unload_if_there(model)
        self._send(Unloaded(model))

    def _unload_if_there(self, model: str) -> None:
        scheduler = self._models.pop(model, None)
        if scheduler is not None:
            self._retired_s += scheduler.native_s
            scheduler.close(f"{model} was unloaded")

    def _pong(self, nonce: int) -> Pong:
        schedulers = self._models.values()
        return Pong(
            nonce=nonce,
            rss_bytes=rss_bytes(),
            threads=self._threads,
            running=sum(s.running for s in schedulers),
            waiting=sum(s.waiting for s in schedulers),
            steps=self._steps,
            step_s=self._step_s,
            native_s=self._retired_s + sum(s.native_s for s in schedulers),
        )


def make_backend(spec: ModelSpec, threads: int) -> Backend:
    """The backend that `spec` names, loaded. Raises EdgeError when it cannot be."""
    if spec.backend != "llama.cpp":
        raise ModelFileError(f"this engine has no backend called {spec.backend!r}")
    from edge_rt.backends.llama import LlamaBackend

    return LlamaBackend(
        Path(spec.path),
        context=spec.context,
        sequences=spec.sequences,
        batch=max(spec.batch, spec.sequences),
        threads=threads,
        gpu_layers=spec.gpu_layers,
        flash_attention=spec.flash_attention,
    )


def main(argv: list[str]) -> int:
    """Run the engine on the socket that descriptor argv[1] is."""
    # The front decides when to stop: a Ctrl-C or a TERM for the whole group must not cut streams.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    from edge_rt.backends.llama import VERSION as LLAMA_VERSION

    sock = socket.socket(fileno=int(argv[1]))
    threads = len(os.sched_getaffinity(0))
    Worker(sock, make_backend, backends={"llama.cpp": LLAMA_VERSION}, threads=threads).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
