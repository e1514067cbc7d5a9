"""The engine's end of the socket: models come and go, and running streams do not notice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.errors import EngineError, ModelFileError
from edge_rt.core.events import Finished, Started
from edge_rt.engine.channel import Frames, encode, front_decoder
from edge_rt.engine.protocol import (
    VERSION,
    Cancel,
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
    ToFront,
    Unloaded,
    UnloadModel,
)
from edge_rt.engine.worker.loading import make_backend
from edge_rt.engine.worker.worker import Worker

SPEC = ModelSpec("toy", "toy.gguf", 96, 3, 64, 16)
ENDLESS = 10**6  # tokens of context


class Peer:
    """The front's end, in plain blocking calls, of a worker in a thread."""

    def __init__(self, make: Callable[[ModelSpec, int], Any]) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(10)
        self._frames = Frames()
        self._got: list[ToFront] = []
        worker = Worker(theirs, make, backends={"toy": "1"}, threads=2)
        self.thread = threading.Thread(target=worker.run, daemon=True)
        self.thread.start()

    def send(self, *messages: ToEngine) -> None:
        self.sock.sendall(b"".join(map(encode, messages)))

    def next(self) -> ToFront:
        while not self._got:
            data = self.sock.recv(1 << 16)
            assert data, "the worker hung up"
            self._got += map(front_decoder().decode, self._frames.feed(data))
        return self._got.pop(0)

    def until(self, *kinds: type) -> ToFront:
        """The next message of one of `kinds`; others are dropped."""
        while not isinstance(message := self.next(), kinds):
            pass
        return message

    def ended(self) -> bool:
        self.thread.join(10)
        return not self.thread.is_alive()


class Factory:
    """Makes toy models; `gate` holds loads back, `error` makes them fail."""

    def __init__(self, toy: Callable) -> None:
        self._toy = toy
        self.made: list[Any] = []
        self.threads: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, spec: ModelSpec, threads: int) -> Any:
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.threads.append(threads)
        self.made.append(self._toy(context=spec.context, sequences=spec.sequences))
        return self.made[-1]


@pytest.fixture
def factory(toy: Callable) -> Factory:
    return Factory(toy)


@pytest.fixture
def peer(factory: Factory) -> Generator[Peer]:
    peer = Peer(factory)
    yield peer
    factory.gate.set()
    peer.sock.close()
    assert peer.ended()


@pytest.fixture
def loaded(peer: Peer) -> Peer:
    """A peer whose worker has the model "toy", with a context that no test fills."""
    peer.send(LoadModel("toy", ModelSpec("toy", "toy.gguf", ENDLESS, 3, 64, 16)))
    peer.until(Loaded)
    return peer


def test_the_first_frame_is_hello(peer: Peer) -> None:
    hello = peer.next()
    assert isinstance(hello, Hello)
    assert (hello.version, hello.backends) == (VERSION, {"toy": "1"})


def test_load_and_generate(
    peer: Peer, new_request: Callable[..., Generate], reference: Callable
) -> None:
    peer.send(LoadModel("toy", SPEC))
    loaded = peer.until(Loaded)
    assert (loaded.model, loaded.context, loaded.threads) == ("toy", 96, 2)
    asked = new_request(5, [5, 6], max_tokens=4)
    peer.send(asked)
    assert isinstance(peer.next(), Started)
    text = ""
    while isinstance(message := peer.next(), StepOutput):  # as many as the pause between two allows
        text += message.deltas[0].text
    end = message
    assert isinstance(end, Finished)
    assert (end.id, end.reason) == (5, "length")
    assert text == reference(asked, 0)[0]


def test_an_unknown_model_is_refused_for_now(peer: Peer, new_request: Callable) -> None:
    peer.send(new_request(1, [5]))
    failed = peer.until(Failed)
    assert (failed.id, failed.code) == (1, "not_loaded")
    assert failed.retry_after_s > 0


@pytest.mark.parametrize("error", [ModelFileError("bad magic"), OSError("bad magic")])
def test_a_failed_load_is_told_and_can_be_repeated(
    peer: Peer, factory: Factory, error: Exception
) -> None:
    factory.error = error
    peer.send(LoadModel("toy", SPEC))
    failed = peer.until(LoadFailed, Loaded)
    assert isinstance(failed, LoadFailed)
    assert "bad magic" in failed.message
    factory.error = None
    peer.send(LoadModel("toy", SPEC))
    assert isinstance(peer.until(LoadFailed, Loaded), Loaded)


def test_a_load_does_not_stop_running_streams(
    loaded: Peer, factory: Factory, new_request: Callable
) -> None:
    factory.gate.clear()
    loaded.send(new_request(1, [5], max_tokens=None), LoadModel("second", SPEC))
    for _ in range(50):
        assert loaded.until(StepOutput, Loaded).deltas[0].id == 1
    factory.gate.set()
    assert loaded.until(Loaded).model == "second"
    assert loaded.until(StepOutput)


def test_two_models_stream_at_the_same_time(loaded: Peer, new_request: Callable) -> None:
    loaded.send(LoadModel("second", ModelSpec("toy", "", ENDLESS, 3)))
    loaded.until(Loaded)
    other = Generate(2, "second", [6], False, new_request(1, [5]).sampling, None, ignore_eos=True)
    loaded.send(new_request(1, [5], max_tokens=None), other)
    ids = [loaded.until(StepOutput).deltas[0].id for _ in range(40)]
    assert {1, 2} == set(ids[-2:])


def test_cancel_silences_a_request(loaded: Peer, new_request: Callable) -> None:
    loaded.send(new_request(1, [5], max_tokens=None))
    loaded.until(StepOutput)
    loaded.send(Cancel(1), Cancel(99), Ping(3))
    pong = loaded.until(Pong)
    assert (pong.running, pong.waiting) == (0, 0)
    loaded.send(Ping(4))
    assert isinstance(loaded.next(), Pong)  # and nothing else


def test_ping_is_answered_when_idle_and_when_busy(loaded: Peer, new_request: Callable) -> None:
    loaded.send(Ping(1))
    idle = loaded.until(Pong)
    assert (idle.nonce, idle.running, idle.steps, idle.native_s) == (1, 0, 0, 0.0)
    assert idle.rss_bytes > 0
    loaded.send(new_request(1, [5], max_tokens=None, n=5))
    loaded.until(StepOutput)
    loaded.send(Ping(2))
    busy = loaded.until(Pong)
    assert (busy.nonce, busy.running, busy.waiting) == (2, 2, 3)  # one is left to others
    assert busy.steps > 0
    assert busy.step_s >= busy.native_s > 0


def test_native_time_outlives_its_model(loaded: Peer, new_request: Callable) -> None:
    loaded.send(new_request(1, [5], max_tokens=3))
    loaded.until(Finished)
    loaded.send(Ping(1), UnloadModel("toy"), Ping(2))
    assert loaded.until(Pong).native_s == loaded.until(Pong).native_s > 0


def test_unloading_fails_what_runs_and_frees_the_model(
    loaded: Peer, factory: Factory, new_request: Callable
) -> None:
    loaded.send(new_request(1, [5], max_tokens=None))
    loaded.until(StepOutput)
    loaded.send(UnloadModel("toy"))
    failed = loaded.until(Failed)
    assert failed.id == 1
    assert "unloaded" in failed.message
    assert isinstance(loaded.next(), Unloaded)
    assert factory.made[0].closed
    loaded.send(new_request(2, [5]))
    assert loaded.until(Failed).code == "not_loaded"


def test_unloading_what_is_not_there_is_answered_too(peer: Peer) -> None:
    peer.send(UnloadModel("nothing"))
    assert peer.until(Unloaded).model == "nothing"


def test_loading_anew_replaces_the_model(loaded: Peer, factory: Factory) -> None:
    loaded.send(LoadModel("toy", SPEC))
    assert loaded.until(Loaded).context == 96
    assert [model.closed for model in factory.made] == [True, False]


def test_limits_reach_every_model_and_the_next_one(loaded: Peer, factory: Factory) -> None:
    loaded.send(SetLimits(1), Ping(1))
    assert loaded.until(Pong).threads == 1
    assert factory.made[0].threads == 1
    loaded.send(LoadModel("second", SPEC))
    assert loaded.until(Loaded).threads == 1
    assert factory.threads == [2, 1]


def test_limits_that_change_during_a_load_hold_for_its_model(peer: Peer, factory: Factory) -> None:
    factory.gate.clear()
    peer.send(LoadModel("toy", SPEC), SetLimits(1), Ping(1))
    peer.until(Pong)
    factory.gate.set()
    assert peer.until(Loaded).threads == 1
    assert factory.made[0].threads == 1


def test_a_limit_on_prompts_holds_for_models_that_come_later(
    peer: Peer, factory: Factory, new_request: Callable
) -> None:
    peer.send(SetLimits(1, prefill_chunk=5), LoadModel("toy", SPEC))
    peer.until(Loaded)
    peer.send(new_request(1, [8 + i % 20 for i in range(33)], max_tokens=1), Ping(1))
    peer.until(Finished)
    assert [count for one in factory.made[0].passes for _, count in one] == [5] * 6 + [3]
    peer.send(Ping(2))
    while (pong := peer.until(Pong)).nonce == 1:
        pass
    assert (pong.prefill_chunk, pong.read, pong.drawn) == (5, 33, 1)


def test_what_was_counted_outlives_its_model(loaded: Peer, new_request: Callable) -> None:
    loaded.send(new_request(1, [5, 6], max_tokens=3))
    loaded.until(Finished)
    loaded.send(UnloadModel("toy"), Ping(1))
    pong = loaded.until(Pong)
    assert (pong.read, pong.drawn) == (2, 3)


def test_models_come_and_go_while_nothing_may_be_computed(
    loaded: Peer, factory: Factory, new_request: Callable
) -> None:
    loaded.send(
        SetLimits(1, duty=0.0), new_request(1, [5], max_tokens=4), LoadModel("second", SPEC)
    )
    assert loaded.until(Loaded, Started).model == "second"
    loaded.send(UnloadModel("second"), Ping(1))
    assert loaded.until(Unloaded, Started).model == "second"
    assert loaded.until(Pong).waiting == 1
    assert factory.made[0].passes == []
    loaded.send(SetLimits(1))
    assert loaded.until(Finished).id == 1


def test_a_failing_model_leaves_the_others_alone(
    loaded: Peer, factory: Factory, new_request: Callable
) -> None:
    factory.made[0].failures.append(EngineError("no memory"))
    loaded.send(new_request(1, [5]))
    assert loaded.until(Failed).message == "no memory"
    loaded.send(new_request(2, [5]))
    assert loaded.until(Finished).id == 2


def test_shutdown_ends_the_worker(loaded: Peer, factory: Factory, new_request: Callable) -> None:
    loaded.send(new_request(1, [5], max_tokens=None), Shutdown())
    assert "shutting down" in loaded.until(Failed).message
    assert loaded.ended()
    assert factory.made[0].closed


def test_its_end_leaves_no_descriptor_and_no_thread(factory: Factory, tmp_path: Path) -> None:
    def wakers() -> int:
        opened = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
        return [str(one.readlink()) for one in opened].count("anon_inode:[eventfd]")

    before, others = wakers(), set(threading.enumerate())
    peer = Peer(factory)
    peer.send(KeepPrefixes(str(tmp_path), 1 << 20, 1 << 20, False), LoadModel("toy", SPEC))
    peer.until(Loaded)
    threads = set(threading.enumerate()) - others
    assert {"loader", "prefix writer"} <= {one.name for one in threads}
    peer.send(Shutdown())
    for one in threads:
        one.join(10)
    assert not any(one.is_alive() for one in threads)
    assert wakers() == before
    peer.sock.close()


@pytest.mark.parametrize("busy", [False, True])
def test_a_front_that_is_gone_ends_the_worker(
    loaded: Peer, factory: Factory, new_request: Callable, busy: bool
) -> None:
    if busy:
        loaded.send(new_request(1, [5], max_tokens=None))
        loaded.until(StepOutput)
    loaded.sock.close()
    assert loaded.ended()
    assert factory.made[0].closed


def test_messages_are_understood_in_pieces(peer: Peer) -> None:
    for byte in encode(Ping(7)):
        peer.sock.sendall(bytes([byte]))
    assert peer.until(Pong).nonce == 7


def test_the_real_factory_knows_its_backends() -> None:
    with pytest.raises(ModelFileError, match="'toy'"):
        make_backend(SPEC, 1)
