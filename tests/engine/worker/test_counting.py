"""Prompts are counted without being run, whether their model is loaded or not."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from typing import Any

import pytest

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.events import Finished, Tokenized
from edge_rt.engine.client import EngineClient
from edge_rt.engine.protocol import Loaded, ModelSpec, Tokenize
from edge_rt.engine.worker.loading import KEPT, Vocabularies
from edge_rt.engine.worker.worker import Worker

SPEC = ModelSpec("toy", "toy.gguf", 96, 3, 64, 16)


def count(prompt: str = "abc", *, model: str = "toy", path: str = "toy.gguf") -> Tokenize:
    return Tokenize(7, "toy", path, prompt, True, model=model)


class Opened:
    """Toy vocabularies by path, and those that were closed."""

    def __init__(self, toy: Any) -> None:
        self._toy = toy
        self.paths: list[str] = []
        self.open: list[str] = []

    def __call__(self, backend: str, path: str) -> Any:
        if path == "bad":
            raise ModelFileError("it is no model")
        self.paths.append(path)
        self.open.append(path)
        vocabulary = self._toy()
        vocabulary.close = lambda: self.open.remove(path)
        return vocabulary


def test_a_vocabulary_is_opened_once_and_few_are_kept(toy: Any) -> None:
    opened = Opened(toy)
    vocabularies = Vocabularies(opened)
    for path in ("a", "a", "b", "a"):
        tokens = vocabularies.answer(count(path=path)).tokens
        assert len(tokens or ()) == 4  # a token opens the text
    assert opened.paths == ["a", "b"]
    for path in map(str, range(KEPT)):
        vocabularies.answer(count(path=path))
    assert len(opened.open) == KEPT
    assert "a" not in opened.open


class Bytes:
    """A vocabulary with a token for each byte, one that begins texts, and <eos>."""

    vocab = 258

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        parts = text.split("<eos>") if special else [text]
        tokens = [token for part in parts for token in (257, *part.encode())][1:]
        return [256, *tokens] if begins and tokens[:1] != [256] else tokens

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def mark(self, token: int) -> bytes:
        return {256: b"<bos>", 257: b"<eos>"}.get(token, b"")

    def close(self) -> None:
        """Hold nothing."""


def tokenize(text: str | list[int], *, begins: bool = False, special: bool = True) -> Tokenized:
    opened = Vocabularies(lambda backend, path: Bytes())
    return opened.answer(Tokenize(7, "toy", "toy.gguf", text, special, begins, True))


def test_a_text_becomes_tokens_and_tokens_become_text() -> None:
    pieces = [b"a", b"b", b"c"]
    assert tokenize("abc") == Tokenized(7, [97, 98, 99], pieces)
    assert tokenize("abc", begins=True) == Tokenized(7, [256, 97, 98, 99], [b"<bos>", *pieces])
    assert tokenize([97, 257]) == Tokenized(7, [97, 257], [b"a", b"<eos>"])
    assert tokenize("") == Tokenized(7, [])


def test_control_tokens_are_tokens_unless_they_are_to_be_text() -> None:
    assert tokenize("<eos>") == Tokenized(7, [257], [b"<eos>"])
    text = tokenize("<eos>", special=False)
    assert text.tokens == [*b"<eos>"]


def test_tokens_that_cannot_be_told_are_refused() -> None:
    told = tokenize([0, 258])
    assert told.tokens is None
    assert "token 258 is not one of the model's 258" in told.message

    def broken(backend: str, path: str) -> Any:
        raise ModelFileError("it is no model")

    asked = Tokenize(7, "toy", "bad", "abc", True, True, True)
    assert Vocabularies(broken).answer(asked) == Tokenized(7, None, message="it is no model")


def test_what_cannot_be_opened_is_told_and_tried_again(toy: Any) -> None:
    vocabularies = Vocabularies(Opened(toy))
    for _ in range(2):
        told = vocabularies.answer(count(path="bad"))
        assert told == Tokenized(7, None, message="it is no model")


async def counted(toy: Any, *asked: tuple[str, str], first: Any = None) -> list[Any]:
    """Return what a real worker and a real client make of prompts for models."""
    ours, theirs = socket.socketpair()
    worker = Worker(
        theirs,
        lambda spec, threads: toy(context=spec.context, sequences=spec.sequences),
        backends={},
        threads=1,
        open_vocabulary=Opened(toy),
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    client = await EngineClient.connect(ours)
    try:
        loaded = await client.load("toy", SPEC)
        assert isinstance(loaded, Loaded)
        if first is not None:
            async for _ in client.generate(first):
                pass
        found: list[Any] = []
        for model, prompt in asked:
            try:
                found.append(await client.count(model, "toy", "x", prompt, special=False))
            except RequestError as error:
                found.append(str(error))
        return found
    finally:
        client.shut_down()
        await asyncio.to_thread(thread.join)
        client.close()


def test_loaded_or_not_it_is_the_same_count(toy: Any) -> None:
    loaded, other = asyncio.run(counted(toy, ("toy", "abc def"), ("other", "abc def")))
    assert loaded == other == (8, 0)


def test_what_is_in_kv_is_told(toy: Any, new_request: Any) -> None:
    prompt = "a story of a fox and of a dog"
    whole, half = asyncio.run(
        counted(
            toy,
            ("toy", prompt),
            ("toy", prompt[:20]),
            first=partial(new_request, prompt=prompt, max_tokens=1),
        )
    )
    assert whole[1] == whole[0] - 1  # its last token is always read
    assert half == (21, 20)


def test_what_could_not_be_answered_is_told(toy: Any) -> None:
    empty, long = asyncio.run(counted(toy, ("toy", ""), ("toy", "a" * 96)))
    assert "empty" in empty
    assert "maximum context length is 96" in long


def test_counting_disturbs_no_one(toy: Any, new_front: Any) -> None:
    front = new_front()
    heard = front.submit(1, "abc")
    front.scheduler.step()
    tokens, cached = front.scheduler.tokenize("abc", special=False)
    assert (len(tokens), cached) == (4, 3)
    front.settle()
    assert isinstance(heard.finished[0], Finished)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_fresh_request_reads_all_of_its_prompt(new_front: Any, fresh: bool) -> None:
    front = new_front()
    prompt = list(range(8, 28))
    texts: list[str] = []
    for id in (1, 2):
        heard = front.submit(id, prompt, fresh=fresh)
        front.settle()
        texts.append(heard.texts[0])
    assert texts[0] == texts[1]
    assert heard.started[0].cached_tokens == (0 if fresh else len(prompt) - 1)


def test_fresh_requests_do_not_wait_for_each_other(new_front: Any) -> None:
    front = new_front(chunk=4)
    for id in (1, 2):
        front.submit(id, list(range(8, 28)) + list(range(8, 28)), fresh=True)
    front.scheduler.step()
    assert front.scheduler.running == 2
    front.settle()
