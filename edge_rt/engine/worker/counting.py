"""Counting the tokens of prompts for models that are not loaded."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.backends.base import PromptVocabulary
from edge_rt.engine.generation.prompt import text_tokens
from edge_rt.engine.protocol import Count, Counted
from edge_rt.errors import EdgeError, ModelFileError

KEPT = 3  # vocabularies, some ten megabytes each

OpenVocabulary = Callable[[str, str], PromptVocabulary]
"""From the backend's name and the file's path; raises EdgeError."""


def no_vocabulary(backend: str, path: str) -> PromptVocabulary:
    """That of an engine that can count for loaded models only."""
    raise ModelFileError(f"this engine has no vocabulary for {backend!r}")


class Vocabularies:
    """Opens the vocabularies of files and keeps those used last; for one thread."""

    def __init__(self, open_vocabulary: OpenVocabulary) -> None:
        self._open = open_vocabulary
        self._kept: dict[tuple[str, str], PromptVocabulary] = {}  # the one used last is last

    def count(self, asked: Count) -> Counted:
        """The answer to `asked`; never raises."""
        try:
            vocabulary = self._vocabulary(asked.backend, asked.path)
            tokens = text_tokens(asked.prompt, asked.special, vocabulary)
        except EdgeError as error:
            return Counted(asked.nonce, None, message=str(error))
        except Exception as error:  # a bug or a broken install: the front must hear of it too
            return Counted(asked.nonce, None, message=f"{type(error).__name__}: {error}")
        return Counted(asked.nonce, len(tokens))

    def _vocabulary(self, backend: str, path: str) -> PromptVocabulary:
        key = backend, path
        found = self._kept.pop(key, None) or self._open(backend, path)
        self._kept[key] = found
        if len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept))).close()
        return found
