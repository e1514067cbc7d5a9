"""The tokens of a prompt, and the marks that part it."""

from __future__ import annotations

from edge_rt.core.chat_format import CUT
from edge_rt.engine.scheduler.inputs import text_tokens


class Words:
    """A token for each word, and one that begins a text."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool, bool]] = []

    def tokenize(self, text: str, *, special: bool, begins: bool = True) -> list[int]:
        self.asked.append((text, special, begins))
        return [0] * begins + [len(word) for word in text.split()]

    def close(self) -> None: ...


def test_a_prompt_without_a_mark_is_read_as_it_is() -> None:
    vocabulary = Words()
    assert text_tokens("a bb", True, vocabulary) == [0, 1, 2]
    assert vocabulary.asked == [("a bb", True, True)]


def test_what_a_mark_parts_is_read_apart() -> None:
    vocabulary = Words()
    assert text_tokens(f"a <{CUT}|end|> {CUT}b", True, vocabulary) == [0, 1, 1, 6, 1]
    assert vocabulary.asked == [("a <", True, True), ("|end|> ", True, False), ("b", True, False)]
