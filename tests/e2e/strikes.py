"""Clients that ask the same again and again, and engines that are ended under them."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import httpx
import psutil


class Client(Protocol):
    """Whoever asks until it is over."""

    def run(self, over: threading.Event) -> None: ...


Answer = Callable[[httpx.Client], Any]
"""Asks once, and gives what is to be the same each time."""


class Asking:
    """One client; all that it hears must be what it heard at first, when nothing was amiss."""

    def __init__(self, client: httpx.Client, answer: Answer, rest_s: float = 0.0) -> None:
        """It rests for so long after each answer."""
        self._client, self._answer, self._rest_s = client, answer, rest_s
        self.whole = answer(client)
        self.answers = 1

    def run(self, over: threading.Event) -> None:
        """Ask until it is `over`; the last answer comes to its end."""
        while not over.is_set():
            answer = self._answer(self._client)
            assert answer == self.whole, f"{answer!r} is not {self.whole!r}"
            self.answers += 1
            over.wait(self._rest_s)


def streamed(path: str, events: Callable[[httpx.Response], Iterator[Any]], body: Any) -> Answer:
    """Each choice of a streamed answer: text, log-probabilities and how it ends; and its usage."""

    def answer(client: httpx.Client) -> Any:
        asked = body | {"stream": True, "stream_options": {"include_usage": True}}
        choices: dict[int, Any] = {}
        usage = None
        with client.stream("POST", path, json=asked) as response:
            assert response.status_code == 200, response.read()
            for document in events(response):
                assert "error" not in document, document
                usage = document.get("usage") or usage
                for choice in document["choices"]:
                    place = choice["index"]
                    choices[place] = _joined(choices.get(place, ("", {}, None)), choice)
        return choices, _tokens(usage)

    return answer


def plain(path: str, body: Any) -> Answer:
    """Return the same of an answer in one piece."""

    def answer(client: httpx.Client) -> Any:
        document = _document(client.post(path, json=body))
        choices = {c["index"]: _joined(("", {}, None), c) for c in document["choices"]}
        return choices, _tokens(document["usage"])

    return answer


def fields(path: str, body: Any, *names: str) -> Answer:
    """Some fields of an answer in one piece."""

    def answer(client: httpx.Client) -> Any:
        document = _document(client.post(path, json=body))
        return [document[name] for name in names]

    return answer


def _document(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def _joined(said: tuple[str, dict[str, Any], str | None], choice: Any) -> tuple[str, Any, Any]:
    """Return what was said of a choice so far, and what comes now, in either dialect."""
    text, logprobs, reason = said
    message = choice.get("delta", choice.get("message"))
    text += choice["text"] if message is None else message.get("content", "")
    for name, values in (choice.get("logprobs") or {}).items():
        logprobs = logprobs | {name: logprobs.get(name, []) + (values or [])}
    return text, logprobs, choice.get("finish_reason") or reason


def _tokens(usage: Any) -> tuple[int, int]:
    return usage["prompt_tokens"], usage["completion_tokens"]


def beset(
    together: Callable[[Sequence[Callable[[], Any]]], Any],
    front: int,
    signs: Sequence[signal.Signals],
    dice: random.Random,
    clients: Sequence[Client],
    most_s: float = 3.0,
) -> None:
    """Have `clients` go on until the last of `signs` has struck; see `strike`."""
    over = threading.Event()

    def chaos() -> None:
        try:
            strike(front, signs, dice, most_s)
        finally:
            over.set()

    together([chaos, *(lambda one=one: one.run(over) for one in clients)])


def strike(
    front: int, signs: Sequence[signal.Signals], dice: random.Random, most_s: float = 3.0
) -> None:
    """Send the engines of the daemon `front` these signals, one by one at random moments.

    Those in which they start and load are among them. No two are further apart than `most_s`.
    """
    struck: set[int] = set()
    for sign in signs:
        time.sleep(dice.uniform(0.0, most_s))
        struck.add(_hit(psutil.Process(front), sign, struck))


def _hit(front: psutil.Process, sign: signal.Signals, struck: set[int]) -> int:
    """Hit the next engine that has not been; its process id."""
    for _ in range(4000):
        for child in front.children():
            try:
                engine = child.pid not in struck and "edge_rt.engine.worker" in child.cmdline()
                if engine and child.status() != psutil.STATUS_ZOMBIE:
                    os.kill(child.pid, sign)
                    return child.pid
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue  # it went just now
        time.sleep(0.01)
    raise AssertionError("no engine starts")
