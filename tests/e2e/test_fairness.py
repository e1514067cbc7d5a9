"""No client holds up another, by a long prompt or by many answers."""

from __future__ import annotations

import hashlib
import threading

import httpx
import pytest

KEYS = "one key", "another key"


@pytest.mark.slow
def test_a_stream_goes_on_while_a_long_prompt_is_read(daemon, tools):
    """Chunks of the stream arrive all through the reading, which takes many passes."""
    reading, read = threading.Event(), threading.Event()
    between: list[str] = []

    def stream():
        body = {"prompt": "Count: 1, 2,", "max_tokens": 400, "temperature": 0, "ignore_eos": True}
        with daemon.stream(**body) as events:
            for piece in tools.texts(events):
                begun.set()
                if read.is_set():
                    return
                if reading.is_set():
                    between.append(piece)

    def long():
        begun.wait(60)
        reading.set()
        with daemon.stream(prompt=[9] * 900, max_tokens=1) as events:
            next(tools.texts(events))
            read.set()

    begun = threading.Event()
    try:
        tools.together([stream, long])
    finally:
        read.set()
    # 900 tokens at 128 a pass are eight passes, and each carries a token of the stream
    assert len(between) >= 6


@pytest.mark.parametrize("asked", [[{"n": 2}], [{}, {}]], ids=["answers", "requests"])
def test_who_has_all_sequences_gives_one_to_another_client(own_daemon, tools, asked):
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in KEYS]
    daemon = own_daemon(
        engine={"sequences": 2, "context": 1024, "threads": 1},
        tcp={"listen": "127.0.0.1:0", "api_key_sha256": hashes},
    )
    url, texts, over = f"{daemon.url()}/v1/completions", [], []
    begun, served = threading.Barrier(len(asked) + 1), threading.Event()

    def long(more):
        body = {"prompt": "Count: 1, 2,", "max_tokens": 900, "ignore_eos": True, "stream": True}
        headers = {"Authorization": f"Bearer {KEYS[0]}"}
        body |= {"model": daemon.model, "temperature": 0}
        with httpx.stream("POST", url, json=body | more, headers=headers, timeout=120) as answer:
            for number, _ in enumerate(tools.texts(tools.events(answer))):
                if number == 8:  # all of them write
                    begun.wait(60)
                if served.is_set():
                    texts.append(number)
                    return
            over.append(more)

    def other():
        begun.wait(60)
        body = {"prompt": "Hello", "max_tokens": 2, "model": daemon.model}
        headers = {"Authorization": f"Bearer {KEYS[1]}"}
        assert httpx.post(url, json=body, headers=headers, timeout=120).status_code == 200
        served.set()

    tools.together([other, *(lambda more=more: long(more) for more in asked)])
    assert not over, "an answer had ended before the other client was served"
    assert len(texts) == len(asked)
