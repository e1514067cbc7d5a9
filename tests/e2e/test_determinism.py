"""Greedy answers depend on the prompt alone."""

from __future__ import annotations

import pytest

PROMPTS = [
    "The moon is",
    "def fibonacci(n):\n",
    "Dear Sir or Madam,",
    "1, 2, 3, 4,",
    "The quick brown fox jumps over the lazy dog. " * 9 + "Then",
    "Roses are red,",
    "Q: What is the tallest mountain?\nA:",
    "🦊 is a fox and 🐻 is",
]


@pytest.mark.slow
def test_alone_and_in_company(daemon, tools):
    """Eight prompts at once, of different lengths, get what each gets alone."""
    alone = [daemon.complete(prompt, max_tokens=20) for prompt in PROMPTS]
    calls = [lambda p=p: daemon.complete(p, max_tokens=20) for p in PROMPTS]
    assert tools.together(calls) == alone
    assert len(set(alone)) == len(alone)


@pytest.mark.slow
def test_streamed_and_plain(daemon, tools):
    for prompt in PROMPTS[:4]:
        with daemon.stream(prompt=prompt, temperature=0, max_tokens=20) as events:
            assert "".join(tools.texts(events)) == daemon.complete(prompt, max_tokens=20)


def test_read_whole_and_continued(daemon):
    """An answer does not depend on how much of its prompt was in memory already."""
    prompt = "A list of animals: cat, dog, horse, cow, sheep, goat, hen, duck, goose, "
    first = daemon.complete(prompt, max_tokens=40)
    half = first[: len(first) // 2]
    again = daemon.complete(prompt + half, max_tokens=10)
    assert daemon.complete(prompt + half, max_tokens=10) == again
    daemon.complete("Something else entirely", max_tokens=10)
    assert daemon.complete(prompt, max_tokens=40) == first


@pytest.mark.parametrize("length", [2, 5, 12])
def test_a_stop_string_across_tokens_never_leaks(daemon, tools, length):
    """Wherever it lies, no chunk holds any part of it that plain text did not call for."""
    prompt = "Here is a poem about the sea:\n"
    whole = daemon.complete(prompt, max_tokens=32)
    for begin in (6, 13, 21):
        stop = whole[begin : begin + length]
        before = whole[: whole.index(stop)]
        with daemon.stream(prompt=prompt, temperature=0, max_tokens=32, stop=[stop]) as events:
            said = ""
            for piece in tools.texts(events):
                said += piece
                assert before.startswith(said)
        assert said == before
