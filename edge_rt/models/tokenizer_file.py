"""What a tokenizer.json says of itself that can be told without the tokenizers library."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_rt.errors import ModelFileError

_MAX_BYTES = 128 * 1024 * 1024  # the largest vocabularies need some 35 MB


class _Truncation(msgspec.Struct, frozen=True):
    max_length: int


class _Tokenizer(msgspec.Struct, frozen=True):
    truncation: _Truncation | None = None


def longest_text(path: Path) -> int | None:
    """After how many tokens the tokenizer at `path` cuts a text, where it does.

    Raises ModelFileError for a file that is cut off or else no tokenizer.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelFileError(f"{path}: more than {_MAX_BYTES} bytes, which none needs")
        read = msgspec.json.decode(path.read_bytes(), type=_Tokenizer)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelFileError(f"{path}: not a tokenizer: {error}") from error
    return None if read.truncation is None else read.truncation.max_length
