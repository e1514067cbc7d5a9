"""A long prompt does not stall those who are served already."""

from __future__ import annotations

import threading

import pytest


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
