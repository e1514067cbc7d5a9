"""Models that suit small boards: size, licence, tasks, and the shape that estimates need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from edge_rt.core.errors import ConfigError
from edge_rt.core.files import read_yaml

SUGGESTIONS = Path(__file__).with_name("suggestions.yaml")

Task = Literal["chat", "tools", "code", "embedding"]
TASKS: tuple[Task, ...] = get_args(Task)

_Count = Annotated[int, Meta(gt=0)]
_Text = Annotated[str, Meta(min_length=1)]


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all that the file holds: unknown keys are errors."""


class Sizes(_Item, frozen=True):
    """What the header of the model's file states."""

    layers: _Count
    heads: _Count
    kv_heads: _Count
    head_dim: _Count
    embedding: _Count
    parameters: _Count
    vocab: _Count


class SuggestedModel(_Item, frozen=True):
    """One model; `name` is an id of the catalogue or a name of the hub, as `models pull` takes."""

    name: _Text
    title: _Text
    bytes: _Count
    licence: _Text
    tasks: Annotated[tuple[Task, ...], Meta(min_length=1)]
    card: Annotated[str, Meta(pattern=r"^[\w.-]+/[\w.-]+\Z")]  # repository of the model hub
    shape: Sizes

    @property
    def command(self) -> str:
        """The command that fetches it."""
        return f"edge-rt models pull {self.name}"


class _File(_Item, frozen=True):
    models: Annotated[tuple[SuggestedModel, ...], Meta(min_length=1)]


def load_suggestions(path: Path = SUGGESTIONS) -> tuple[SuggestedModel, ...]:
    """Return the models, from the weakest to the strongest of a task; raises ConfigError."""
    try:
        return msgspec.convert(read_yaml(path), _File).models
    except msgspec.ValidationError as error:
        message, _, key = str(error).partition(" - at `$.")
        raise ConfigError(message, file=str(path), key=key.rstrip("`")) from error
