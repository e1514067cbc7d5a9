"""Boards to examine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import Faults
from patients import Patient


@pytest.fixture
def faults() -> Faults:
    """Files that fail when told to."""
    return Faults()


@pytest.fixture
def patient(tmp_path: Path) -> Callable[..., Patient]:
    """Makes the machine of one of the boards in trees.py."""

    def make(board: str | None = None, **how: Any) -> Patient:
        return Patient(tmp_path, board, **how)

    return make
