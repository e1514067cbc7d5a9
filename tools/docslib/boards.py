"""The page of models that suit each board, from the same figures as `edge-rt models suggest`."""

from __future__ import annotations

from collections.abc import Iterator

from benchlib.boards import load_boards

from docslib.markdown import code, page, table
from edge_rt.cli.local.models_suggest import other_board
from edge_rt.cli.text import joules, significant, size
from edge_rt.config.board import Board
from edge_rt.models.catalogue import SuggestedModel, Task, load_suggestions
from edge_rt.models.record import MEMORY_SHARE
from edge_rt.models.suggested import READING_TOKENS_PER_S, Suggestion, choose

_ABOUT = f"""\
`edge-rt models suggest` shows these models for the board at hand, with what their answers would
take. A model fits if its file takes at most {MEMORY_SHARE:.0%} of the memory, since keys, values,
other programs and a reserve need the rest. Of those that fit, the strongest is named that writes
at least {READING_TOKENS_PER_S:.0f} tokens a second, which is about as fast as people read."""
_ESTIMATES = """\
Speed and energy are estimates from the board's profile, on its GPU where it has one and in its
usual power mode, for a prompt of 100 tokens and an answer of 100: half of all are within 15 % of
the speed and 22 % of the energy, few off by half or double. The energy is what an answer adds to
what the board draws idle; it is left out where the profile does not tell what the board draws.
`edge-rt calibrate` measures your board."""
_MODELS = """\
Sizes and licences are those of the models' cards; where no card tells a size, it is derived from
the parameters. `edge-rt models pull` checks what it fetches against the hub's own size and
SHA-256, and shows the licence."""


def board_models() -> str:
    """Return the page."""
    boards = table(("board", "memory", "for chat", "for code", "for tools"), _boards())
    models = table(("model", "for", "size", "licence", "card"), map(_model, load_suggestions()))
    blocks = ["## Boards", _ESTIMATES, boards, "## Models", _MODELS, models]
    return page("Models for boards", _ABOUT, *blocks)


def _boards() -> Iterator[list[str]]:
    for board in load_boards().values():
        yield from (_row(board, fitted) for fitted in board.memory_sizes_bytes)


def _row(board: Board, fitted: int) -> list[str]:
    target = other_board(board, fitted)
    tasks: tuple[Task, ...] = ("chat", "code", "tools")
    return [board.name, size(fitted), *(_pick(choose(target.suggest(task))) for task in tasks)]


def _pick(best: Suggestion | None) -> str:
    if best is None:
        return "none fits"
    cost = best.cost
    figures = [f"{significant(cost.tokens_per_s, 2)} tok/s"]
    figures += [] if cost.energy_j is None else [joules(cost.energy_j)]
    return f"{best.model.title}: {', '.join(figures)}"


def _model(model: SuggestedModel) -> list[str]:
    return [code(model.name), ", ".join(model.tasks), size(model.bytes), model.licence, model.card]
