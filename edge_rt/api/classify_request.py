"""The body of POST /edge/v1/classify."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.api.embeddings_request import TextAllowance
from edge_rt.api.nearest import SCALE
from edge_rt.errors import RequestError

MAX_TEXTS, MAX_LABELS, MAX_EXAMPLES = 256, 64, 1024

Words = Annotated[str, Meta(min_length=1)]
Groups = dict[str, tuple[str, ...]]
"""The examples of each label."""


class ClassifyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`labels` are names, or names with texts that belong to them, be it one that describes them.

    A field that is null is a field left out.
    """

    input: Words | Annotated[list[Words], Meta(min_length=1, max_length=MAX_TEXTS)]
    labels: list[Words] | dict[str, Words | Annotated[list[Words], Meta(min_length=1)]]
    model: str | None = None
    scale: Annotated[float, Meta(gt=0, le=1000)] = SCALE
    edge: TextAllowance | None = None

    @property
    def texts(self) -> list[str]:
        """What is to be classified."""
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def groups(self) -> Groups:
        """The examples of each label; its name where it has none.

        RequestError when there are too few labels or too much of anything.
        """
        given = self.labels
        if isinstance(given, list):
            groups = {label: (label,) for label in given}
        else:
            groups = {
                label: (texts,) if isinstance(texts, str) else tuple(texts)
                for label, texts in given.items()
            }
        if len(groups) != len(given) or not 2 <= len(groups) <= MAX_LABELS:
            raise _fault(f"expected 2 to {MAX_LABELS} different labels, got {len(groups)}")
        examples = sum(map(len, groups.values()))
        if examples > MAX_EXAMPLES:
            raise _fault(f"expected at most {MAX_EXAMPLES} examples in all, got {examples}")
        return groups


def _fault(what: str) -> RequestError:
    return RequestError(f"`labels`: {what}.", param="labels", code="invalid_value")
