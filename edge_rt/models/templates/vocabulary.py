"""The tokens of a model, as far as chat templates have to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edge_rt.models.formats.description import special_tokens
from edge_rt.models.formats.gguf import read_tokens
from edge_rt.models.record import ModelRecord


class Vocabulary(NamedTuple):
    """The tokens of a model, as far as writing a prompt depends on them."""

    control: Sequence[str]  # the texts of its control tokens
    longest: int | None  # most bytes of a token; None: not known


def vocabulary(entry: ModelRecord) -> Vocabulary:
    """That of a model; takes a while. Raises ModelFileError."""
    if entry.backend == "llama.cpp":
        return Vocabulary(*read_tokens(entry.path))
    return Vocabulary(special_tokens(entry.path.with_name("tokenizer.json")), None)
