"""The reference of files that people write besides config.yaml, made from what they are read as."""

from __future__ import annotations

from docslib.fields import documents, structs
from docslib.markdown import page
from edge_rt.config.board import TABLES, Board
from edge_rt.models.catalogue import CatalogueEntry
from edge_rt.models.formats.card import EmbeddingCard, LanguageModelCard, TensorsCard
from edge_rt.models.pair import Pair
from edge_rt.routing.quality.rulebook import Rulebook

_BOARD = """\
A file `ID.yaml` in `boards.d`; see [Describe a board of your own](../how-to/own-board.md). With
`extends` it holds only what differs from another profile. Every record with figures has a `source`:
ids of the file `sources.yaml` beside it."""

_CATALOGUE = """\
A file that `models.catalogue` names. It has lists `models` of [CatalogueEntry](#catalogueentry) and
`pairs` of [Pair](#pair); see [Manage models](../how-to/models.md#a-catalogue-of-your-own) and
[Answer with two models](../how-to/two-models.md#pairs)."""

_CARD = """\
`model.json` in the folder of an ONNX model. Its field `kind` is `language`, `embedding` or
`tensors`."""

_RULES = """\
A file that `router.rules` names; see [Add rules](../how-to/choose-models.md#add-rules)."""

_ABOUT = "The configuration has a [page of its own](configuration.md). Unknown keys are errors."


def formats() -> str:
    """Return the page."""
    cards = [LanguageModelCard, EmbeddingCard, TensorsCard]
    catalogue = [each for each in structs([CatalogueEntry, Pair]) if each not in cards]
    return page(
        "File formats",
        _ABOUT,
        *("## Board profile", _BOARD, *documents(structs([Board, *TABLES.values()]))),
        *("## Catalogue", _CATALOGUE, *documents(catalogue)),
        *("## Model card", _CARD, *documents(cards)),
        *("## Rules and examples", _RULES, *documents(structs([Rulebook]))),
    )
