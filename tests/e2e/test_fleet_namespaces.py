"""Boards on networks of their own: a namespace each, which wants root."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from litellm_proxy import KEY, Answer, Proxy, shipped, start

from edge_rt.backends.llama.rpc import fault

pytestmark = pytest.mark.whole

QUESTION = {"messages": [{"role": "user", "content": "Count from one to a hundred."}]}
REQUESTS, AT_ONCE, TOKENS = 200, 6, 24
GREEDY = {"temperature": 0, "max_tokens": TOKENS}
PROMPT = "The capital of France is"
LAYERS, KILLS = 20, 5
PORT = 8080
COMMAND = Path(sys.executable).with_name("edge-rt")


class Side:
    """A namespace with an end of a cable; `address` is its own, `near` this side's."""

    def __init__(self, number: int) -> None:
        self.name = f"edge-{os.getpid()}-{number}"
        self.near, self.address = f"10.213.{number}.1", f"10.213.{number}.2"
        self.within = ["ip", "netns", "exec", self.name]
        self._cable = f"e{os.getpid()}n{number}"

    def open(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "up0", "netns", self.name)
        ip("addr", "add", f"{self.near}/30", "dev", self._cable)
        ip("link", "set", self._cable, "up")
        for words in (
            ("addr", "add", f"{self.address}/30", "dev", "up0"),
            ("link", "set", "up0", "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-netns", self.name, *words)

    def close(self) -> None:
        ip("link", "del", self._cable)  # by itself it would go some time after the namespace
        ip("netns", "del", self.name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def sides() -> Iterator[list[Side]]:
    """Three networks."""
    with ExitStack() as stack:
        made = [Side(number) for number in range(3)]
        for side in made:
            side.open()
            stack.callback(side.close)
        yield made


@pytest.fixture
def fleet(
    sides: list[Side],
    make_daemon: Any,
    make_board: Any,
    cache: Path,
    tools: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Proxy, list[Any]]]:
    """The proxy over a daemon in each namespace, the last of them on a board under a tight cap."""
    home = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        board = stack.enter_context(make_board("raspberry-pi-5"))
        throttled = {"sensors": {"root": str(board)}, "budget": {"power_w": 3.4}}
        daemons: list[Any] = []
        for side, more in zip(sides, ({}, {}, throttled), strict=True):
            keys = [hashlib.sha256(KEY.encode()).hexdigest()]
            tcp = {"listen": f"{side.address}:{PORT}", "api_key_sha256": keys}
            daemons.append(make_daemon(through=side.within, tcp=tcp, **more))
            stack.callback(daemons[-1].close)
        config = shipped()
        config["environment_variables"] |= {"EDGE_RT_FLEET_W": "40", "EDGE_RT_FLEET_WAIT_S": "300"}
        for side, entry in zip(sides, config["model_list"], strict=True):
            entry["litellm_params"] |= {"api_base": f"http://{side.address}:{PORT}/v1"}
            entry["model_info"] = {"id": side.name, "watts": 5}
        yield start(stack, cache, home, config, tools), daemons


def test_two_hundred_requests_over_three_boards_one_of_which_is_killed(
    fleet: tuple[Proxy, list[Any]], tools: Any
) -> None:
    """Each is answered whole, or had a token when its board was killed and ends with an error."""
    proxy, daemons = fleet
    victim, other, _ = daemons
    text = other.post(QUESTION | GREEDY, "/v1/chat/completions").json()
    whole = text["choices"][0]["message"]["content"]
    answers: list[Answer] = []
    numbers = iter(range(REQUESTS))

    def client() -> None:
        for _ in numbers:
            answers.append(proxy.stream("assistant", max_tokens=TOKENS))

    def kill() -> None:
        tools.eventually(lambda: len(answers) >= REQUESTS // 3, "a third is answered")
        tools.eventually(lambda: victim.status()["requests"] > 0, "the victim is at work")
        victim.kill()

    tools.together([*[client] * AT_ONCE, kill])
    assert len(answers) == REQUESTS
    cut = [one for one in answers if one.error is not None]
    assert len(cut) <= AT_ONCE
    for one in cut:
        assert one.text, "without a token another board answers"
        assert whole.startswith(one.text), "nothing comes twice"
    assert {(one.text, one.done) for one in answers if one.error is None} == {(whole, True)}
    assert proxy.ask("assistant", max_tokens=4).status_code == 200


@pytest.mark.parametrize("gpu_layers", [[LAYERS, 0], LAYERS], ids=["here-too", "nowhere-else"])
def test_each_kill_of_a_peer_ends_a_stream_right_or_named(
    sides: list[Side],
    own_daemon: Callable[..., Any],
    daemon: Any,
    gpu_layers: Any,
    tmp_path: Path,
    tools: Any,
) -> None:
    """With a way to load the model here, each stream ends right."""
    peer = f"{sides[0].address}:{PORT}"
    whole = daemon.complete(PROMPT, max_tokens=TOKENS)
    engine = {"threads": 1, "context": 512, "sequences": 2, "batch": 128, "rpc": [peer]}
    for place in range(KILLS):
        with lent(sides[0], peer, tmp_path / "log", tools) as process:
            # One of its own for each, since a model that was loaded without the peer stays so.
            pooled = own_daemon(engine=engine | {"gpu_layers": gpu_layers}, offline=False)
            tools.eventually(partial(_answers, pooled), "the peer is used")
            with pooled.stream(prompt=PROMPT, max_tokens=TOKENS, temperature=0) as stream:
                events = [*islice(stream, place * 4)]
                process.kill()
                events += [*stream]
        text = "".join(tools.texts(event for event in events if "error" not in event))
        if "error" in events[-1]:
            assert gpu_layers == LAYERS
            assert events[-1]["error"]["message"]
            assert whole.startswith(text)
        else:
            assert text == whole


def _answers(daemon: Any) -> bool:
    """Whether a request is answered with layers at the peer."""
    if daemon.post({"prompt": PROMPT, "max_tokens": 1}).status_code != 200:
        return False
    return daemon.status()["residents"][0]["gpu_layers"] == LAYERS


@contextmanager
def lent(side: Side, address: str, log: Path, tools: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run `edge-rt rpc` in the namespace, until it is killed."""
    words = [COMMAND, "rpc", "--listen", address, "--threads", "1", "--memory-mb", "400"]
    with log.open("ab") as out:
        process = subprocess.Popen([*side.within, *words], stderr=out)
    try:
        tools.eventually(lambda: fault(address) is None, f"the peer answers; see {log}")
        yield process
    finally:
        process.kill()
        process.wait()
        tools.eventually(lambda: fault(address, 0.2) is not None, "nobody listens there")
