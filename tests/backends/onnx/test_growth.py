"""Only what passes took beyond what they had to is growth."""

from __future__ import annotations

import pytest

from edge_rt.backends.onnx.session import Growth
from edge_rt.core.errors import EngineError


class Process:
    """What a process holds, and how much of that is due."""

    def __init__(self) -> None:
        self.held, self.due = 1000, 0


def test_what_others_take_between_passes_does_not_count() -> None:
    process = Process()
    growth = Growth(lambda: process.held, lambda: process.due)
    for _ in range(3):
        process.held += 500
        with growth.measured():
            process.held += 7
    assert growth.bytes == 21
    growth.forget()
    assert growth.bytes == 0


def test_what_is_due_does_not_count() -> None:
    process = Process()
    growth = Growth(lambda: process.held, lambda: process.due)
    with growth.measured():
        process.held += 50
        process.due += 40
    assert growth.bytes == 10


def test_a_pass_that_fails_counts_too() -> None:
    process = Process()
    growth = Growth(lambda: process.held, lambda: process.due)

    def fail() -> None:
        with growth.measured():
            process.held += 50
            raise EngineError("no memory")

    with pytest.raises(EngineError, match="no memory"):
        fail()
    assert growth.bytes == 50
