"""The body of POST /v1/embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_rt.api.allowance import Allowance
from edge_rt.api.openai.fields import Count, TokenId
from edge_rt.api.openai.texts import Text, separate
from edge_rt.core.errors import RequestError


class TextAllowance(Allowance, frozen=True):
    """What the request may take, and which side of a text that is too long may be cut.

    `true` means the end; without it such a text fails the request.
    """

    truncate: bool | Literal["end", "start"] | None = None
    """Side at which a text that is too long is cut; `true` is the end. Default: it fails."""

    @property
    def side(self) -> str | None:
        """What is cut, "end" or "start"; None: nothing may be."""
        if isinstance(self.truncate, str):
            return self.truncate
        return "end" if self.truncate else None


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that are to be placed in a space; a field that is null is a field left out."""

    input: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    """Text or token ids, one input or several."""
    model: str | None = None
    """Id of an embedding model."""
    encoding_format: Literal["float", "base64"] | None = None
    """Numbers, or their float32 in base64, little-endian."""
    dimensions: Count | None = None
    """Keep only the first so many numbers, and bring them to length 1 again."""
    edge: TextAllowance | None = None
    """What the request may take."""


def texts(given: str | list[str | int | list[int]], name: str = "input") -> list[Text]:
    """The texts; raises RequestError for an empty one."""
    found = separate(given, name)
    for i, text in enumerate(found):
        if not text:
            at = f"{name}[{i}]" if len(found) > 1 else name
            message = f"`{at}` is empty: send at least one character or token id."
            raise RequestError(message, param=at, code="invalid_value")
    return found
