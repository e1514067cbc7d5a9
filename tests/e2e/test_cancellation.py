"""When nobody waits for an answer any more, the engine stops making it."""

from __future__ import annotations

import socket

import msgspec.json
import pytest

ENDLESS = {"temperature": 0, "max_tokens": 900, "ignore_eos": True}


def stands_still(daemon) -> bool:
    """Return whether the engine makes no more steps but the one that noticed the cancellation."""
    noticed, after = daemon.quiet()["steps"], daemon.steps()
    return after <= noticed + 1 and [daemon.engine()["steps"] for _ in range(5)] == [after] * 5


def ask(daemon, body) -> socket.socket:
    """Send a request and do not wait for the answer."""
    content = msgspec.json.encode({"model": daemon.model} | body)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(daemon.socket))
    sock.sendall(head.encode() + content)
    return sock


def running(daemon):
    return daemon.engine()["running"]


@pytest.fixture(autouse=True)
def _quiet(daemon):
    daemon.quiet()
    yield
    daemon.quiet()


@pytest.mark.parametrize("n", [1, 3])
def test_closing_a_stream_frees_its_sequences(daemon, tools, n):
    with daemon.stream(prompt="Count: 1, 2,", n=n, **ENDLESS) as events:
        for _ in range(5):
            next(events)
        assert running(daemon) == n
    assert stands_still(daemon)


def test_closing_the_sdks_stream(daemon, sdk):
    stream = sdk.completions.create(
        model=daemon.model,
        prompt="Count: 1, 2,",
        max_tokens=900,
        stream=True,
        extra_body={"ignore_eos": True},
    )
    next(iter(stream))
    assert running(daemon) == 1
    stream.close()
    assert stands_still(daemon)


def test_hanging_up_on_a_plain_request(daemon, tools):
    sock = ask(daemon, {"prompt": "Count: 1, 2,"} | ENDLESS)
    tools.eventually(lambda: running(daemon), "the request runs")
    sock.close()
    assert stands_still(daemon)


@pytest.mark.parametrize("stream", [False, True])
def test_hanging_up_while_a_long_prompt_is_read(daemon, tools, stream):
    """The prompt is not read to its end."""
    prompt = [7 + stream] * 900  # one that is not in memory yet
    before = daemon.engine()["steps"]
    sock = ask(daemon, {"prompt": prompt, "stream": stream} | ENDLESS)
    tools.eventually(lambda: running(daemon), "the prompt is being read")
    sock.close()
    assert stands_still(daemon)
    assert daemon.engine()["steps"] - before < 900 / 128


def test_hanging_up_while_waiting_for_a_sequence(daemon, tools):
    """A request that was cancelled in the queue never runs."""
    with daemon.stream(prompt="Count: 1, 2,", n=8, **ENDLESS) as events:
        next(events)
        sock = ask(daemon, {"prompt": "I will wait"} | ENDLESS)
        tools.eventually(lambda: daemon.engine()["waiting"] == 1, "the request waits")
        sock.close()
        tools.eventually(lambda: daemon.engine()["waiting"] == 0, "it is dropped")
        assert running(daemon) == 8
    assert stands_still(daemon)


def test_one_that_leaves_does_not_disturb_the_others(daemon, tools):
    alone = daemon.complete("The moon is", max_tokens=30)

    def leave():
        with daemon.stream(prompt="The moon was", **ENDLESS) as events:
            for _ in range(8):
                next(events)

    stay = lambda: daemon.complete("The moon is", max_tokens=30)  # noqa: E731
    results = tools.together([leave, stay, leave, stay, leave])
    assert results == [None, alone, None, alone, None]


def test_the_client_that_left_is_counted_as_such(daemon, tools):
    def left():
        text = daemon.metrics()
        lines = [line for line in text.splitlines() if 'status="499"' in line]
        return sum(float(line.split()[-1]) for line in lines)

    before = left()
    sock = ask(daemon, {"prompt": "Count: 1, 2,"} | ENDLESS)
    tools.eventually(lambda: running(daemon), "the request runs")
    sock.close()
    tools.eventually(lambda: left() == before + 1, "it is counted")
