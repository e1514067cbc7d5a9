"""What a tokenizer.json says of itself that can be told without the tokenizers library."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_rt.core.errors import ModelFileError
from edge_rt.models.store.disk import open_regular

_MAX_BYTES = 128 * 1024 * 1024  # the largest vocabularies need some 35 MB


class _Truncation(msgspec.Struct, frozen=True):
    max_length: int


class _Added(msgspec.Struct, frozen=True):
    content: str
    special: bool = False


class _Tokenizer(msgspec.Struct, frozen=True):
    truncation: _Truncation | None = None
    added_tokens: list[_Added] = []


def special_tokens(path: Path) -> list[str]:
    """The control tokens of the tokenizer at `path`, as texts; raises as `longest_text`."""
    return [token.content for token in _read(path).added_tokens if token.special]


def longest_text(path: Path) -> int | None:
    """After how many tokens the tokenizer at `path` cuts a text, where it does.

    Raises ModelFileError for a file that is cut off or else no tokenizer.
    """
    truncation = _read(path).truncation
    return None if truncation is None else truncation.max_length


def _read(path: Path) -> _Tokenizer:
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ModelFileError(f"{path}: more than {_MAX_BYTES} bytes, which none needs")
        return msgspec.json.decode(content, type=_Tokenizer)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise ModelFileError(f"{path}: not a tokenizer: {error}") from error
