"""The oldest versions of its dependencies that pyproject.toml allows."""

from __future__ import annotations

import ast
import re

# What a board runs, and what makes its models.
_LISTS = ("dependencies", "convert", "speech")


def oldest(project: str) -> tuple[str, ...]:
    """Return "click==8.2" for "click>=8.2,<9", and so on, of the text of a pyproject.toml.

    What is pinned there stays so. Raise ValueError where a dependency has no lower bound.
    """
    return tuple(_pin(line) for name in _LISTS for line in _listed(project, name))


def _listed(project: str, name: str) -> list[str]:
    """A list of TOML without tables is one of Python, whose oldest here has no TOML reader."""
    found = re.search(rf"^{name} = (\[.*?\])$", project, re.MULTILINE | re.DOTALL)
    return [] if found is None else ast.literal_eval(found[1])


def _pin(line: str) -> str:
    found = re.match(r"([\w.-]+)[>=]=([\w.]+)", line)
    if found is None:
        raise ValueError(f"pyproject.toml must say from which version on: {line}")
    return f"{found[1]}=={found[2]}"
