"""Streams of a guest's daemon, and conditions that come true some time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from vm_guests import MODEL, STREAM, Box

PAUSE_S, TRIES = 0.1, 1200  # of looks at a condition: two minutes at least


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`, asked a bounded number of times."""
    for _ in range(TRIES):
        if value := condition():
            return value
        time.sleep(PAUSE_S)
    raise AssertionError(f"not within {TRIES} tries: {what}")


@contextmanager
def streaming(box: Box) -> Generator[Callable[[], list[Any]]]:
    """While a stream is under way; called, it gives all of its events."""
    with box.client() as http, ThreadPoolExecutor(1) as beside:
        request = http.stream(
            "POST", "/v1/completions", json=STREAM | {"model": MODEL, "stream": True}
        )
        with request as response:
            assert response.status_code == 200
            lines = response.iter_lines()
            first = next(lines)
            rest = beside.submit(lambda: [first, *lines])
            yield lambda: _events(rest.result())


def text(events: list[Any]) -> str:
    """Return what the events of a whole stream say."""
    assert events.pop() == "[DONE]"
    return "".join(event["choices"][0]["text"] for event in events)


def _events(lines: list[str]) -> list[Any]:
    said = [line.removeprefix("data: ") for line in lines if line]
    return [one if one == "[DONE]" else json.loads(one) for one in said]
