"""A model over two boards: the same text as on one, and no client hangs where a board is lost."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge_rt.backends.llama.rpc import fault

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

# Each next token is far ahead of the second best: a board and its peer round differently.
PROMPT = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,"
LAYERS = 20  # of 30


class Peer:
    """An `edge-rt rpc`, which may be killed and started again at the same address."""

    def __init__(self, command: Path, log: Path, tools: Any) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.address = "127.0.0.1:{1}".format(*free.getsockname())
        self._command, self._log, self._tools = command, log, tools
        self.start()

    def start(self) -> None:
        words = ["rpc", "--listen", self.address, "--threads", "1", "--memory-mb", "400"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._command, *words], stderr=log)
        self._tools.eventually(self._there, f"the peer answers; see {self._log}")

    def _there(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        return fault(self.address) is None

    def kill(self) -> None:
        """SIGKILL; its server ends with it."""
        self._process.kill()
        self._process.wait()
        away = lambda: fault(self.address, 0.2) == "Connection refused"  # noqa: E731
        self._tools.eventually(away, "nobody listens there")


@pytest.fixture
def peer(daemon: Any, tmp_path: Path, tools: Any) -> Iterator[Peer]:
    made = Peer(Path(sys.executable).with_name("edge-rt"), tmp_path / "log", tools)
    yield made
    made.kill()


@pytest.fixture
def over(own_daemon: Callable[..., Any], peer: Peer) -> Callable[..., Any]:
    """Makes daemons with layers at the peer; `layers` are its engine.gpu_layers."""

    def make(layers: Any) -> Any:
        engine = {"threads": 1, "context": 512, "sequences": 2, "batch": 128}
        engine |= {"rpc": [peer.address], "gpu_layers": layers, "kv_type": "q8_0/f16"}
        return own_daemon(engine=engine, offline=False)

    return make


def where(daemon: Any) -> int:
    """Return how many layers of the loaded model lie at the peer."""
    [model] = daemon.status()["residents"]
    return model["gpu_layers"]


def test_the_text_is_the_same_as_on_one_board(daemon: Any, over: Any) -> None:
    pooled = over(LAYERS)
    assert pooled.complete(PROMPT, max_tokens=24) == daemon.complete(PROMPT, max_tokens=24)
    assert where(pooled) == LAYERS
    [device] = pooled.engine()["gpus"]
    assert device["backend"] == "RPC"


def test_an_answer_goes_on_without_the_peer_where_the_model_fits_here(
    daemon: Any, over: Any, peer: Peer, tools: Any
) -> None:
    pooled, whole = over([LAYERS, 0]), daemon.complete(PROMPT, max_tokens=48)
    with pooled.stream(prompt=PROMPT, max_tokens=48, temperature=0) as stream:
        pieces = tools.texts(stream)
        text = next(pieces)
        assert where(pooled) == LAYERS
        peer.kill()
        text += "".join(pieces)
    assert text == whole
    assert where(pooled) == 0
    assert pooled.complete(PROMPT, max_tokens=8) == daemon.complete(PROMPT, max_tokens=8)


def test_without_a_way_to_load_the_model_the_stream_ends_with_an_error_and_others_get_503(
    over: Any, peer: Peer, tools: Any
) -> None:
    pooled = over(LAYERS)
    with pooled.stream(prompt=PROMPT, max_tokens=400, temperature=0) as stream:
        next(stream)
        peer.kill()
        last = [*stream][-1]
    assert last["error"]["message"]
    refused = pooled.post({"prompt": PROMPT, "max_tokens": 4})
    assert refused.status_code == 503, refused.text
    assert "engine.rpc" in refused.json()["error"]["message"]
    assert "retry-after" in refused.headers
    peer.start()
    again = lambda: pooled.post({"prompt": PROMPT, "max_tokens": 4}).status_code == 200  # noqa: E731
    tools.eventually(again, "the peer is used again")
