"""The pages that are made when the site is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docslib.boards import board_models
from docslib.cli import cli, exit_codes
from docslib.configuration import configuration
from docslib.http import formats, http
from docslib.metrics import metrics
from docslib.programs import programs

CHECKOUT = Path(__file__).resolve().parents[2]

MADE: dict[str, Callable[[], str]] = {
    "reference/configuration.md": configuration,
    "reference/cli.md": cli,
    "reference/http.md": http,
    "reference/metrics.md": metrics,
    "reference/exit-codes.md": exit_codes,
    "reference/formats.md": formats,
    "reference/board-models.md": board_models,
    "reference/programs.md": programs,
}

BESIDE = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
"""Pages that lie in the root of the checkout, where people and programs look for them."""


def pages() -> dict[str, str]:
    """Return the text of each page that is not a file of docs/, by its path there."""
    made = {path: make() for path, make in MADE.items()}
    return made | {path: _beside(name) for path, name in BESIDE.items()}


def _beside(name: str) -> str:
    """Return a page of the root, with its links as they are from docs/."""
    text = (CHECKOUT / name).read_text().replace("](docs/", "](")
    for path, other in BESIDE.items():
        text = text.replace(f"]({other}", f"]({path}")
    return text
