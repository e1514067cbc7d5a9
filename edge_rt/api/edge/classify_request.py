"""The body of POST /edge/v1/classify."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.api.edge.nearest import SCALE
from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.embeddings_request import TextAllowance
from edge_rt.core.errors import RequestError

MAX_TEXTS, MAX_LABELS, MAX_EXAMPLES = 256, 64, 1024

_INPUT = re.compile(r"input\[(\d+)\]")

Words = Annotated[str, Meta(min_length=1)]
Groups = dict[str, tuple[str, ...]]
"""The examples of each label."""


class ClassifyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`labels` are names, or names with texts that belong to them, be it one that describes them.

    A field that is null is a field left out.
    """

    input: Words | Annotated[list[Words], Meta(min_length=1, max_length=MAX_TEXTS)]
    """The texts."""
    labels: list[Words] | dict[str, Words | Annotated[list[Words], Meta(min_length=1)]]
    """Names of labels, or names with texts that belong to each."""
    model: str | None = None
    """Id of an embedding model."""
    scale: Annotated[float, Meta(gt=0, le=1000)] = SCALE
    """What similarities are multiplied with before the softmax."""
    edge: TextAllowance | None = None
    """What the request may take."""

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

    def placed(self, error: RequestError) -> RequestError:
        """`error` about `input[N]`, the texts and then the examples, with the field sent for it."""
        found = _INPUT.fullmatch(error.param or "")
        if found is None:
            return error
        param = self._fields[int(found[1])]
        message = str(error).replace(f"`{error.param}`", f"`{param}`")
        return RequestError(message, param=param, code=error.code)

    @property
    def _fields(self) -> list[str]:
        """What was sent for each of the texts and of the examples."""
        texts = [f"input[{at}]" for at in range(len(self.texts))]
        fields = ["input"] if isinstance(self.input, str) else texts
        if isinstance(self.labels, list):
            return fields + [f"labels[{at}]" for at in range(len(self.labels))]
        for label, given in self.labels.items():
            name = f"labels.{describe(label)[1:-1]}"
            many = [f"{name}[{at}]" for at in range(len(given))]
            fields += [name] if isinstance(given, str) else many
        return fields


def _fault(what: str) -> RequestError:
    return RequestError(f"`labels`: {what}.", param="labels", code="invalid_value")
