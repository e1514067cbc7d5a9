"""Chance, to compare with: it knows but the share and the place."""

from __future__ import annotations

import pytest
from evallib.gates import RandomGate

from edge_rt.core.decoding import Gating

TOKENS = 4000


def drawn(share: float) -> list[bool]:
    """Return whether the small model writes each token."""
    gate = RandomGate(Gating(share=share))
    return [gate.adds([], 1.0) for _ in range(TOKENS)]


@pytest.mark.parametrize("asked", [0.0, 0.1, 0.4, 1.0])
def test_the_large_model_has_its_share(asked: float) -> None:
    share = drawn(asked).count(False) / TOKENS
    assert share == pytest.approx(asked, abs=4 * (asked * (1 - asked) / TOKENS) ** 0.5)


def test_entropy_does_not_matter_and_nothing_is_looked_up() -> None:
    one, two = (RandomGate(Gating(share=0.5)) for _ in range(2))
    assert [one.adds([], 0.0) for _ in range(60)] == [two.adds([], 9.0) for _ in range(60)]
    assert one.cut([1.0, 1.0]) == 0
