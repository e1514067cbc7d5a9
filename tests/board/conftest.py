"""Files that fail, and the clock of the sampler."""

from __future__ import annotations

import pytest
from faults import Faults

from edge_rt.testing.board import FakeClock


@pytest.fixture
def faults() -> Faults:
    """Files that fail when told to."""
    return Faults()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands until it is set."""
    return FakeClock()
