"""Whose a token is can be read from how it is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.engine.generation.tokens import TokenProvenance


@pytest.mark.parametrize(("large", "small"), [(5, 5), (7, 3), (3, 20)])
def test_tokens_told_come_back_as_they_were_written(large: int, small: int) -> None:
    sequences: list[Any] = [
        SimpleNamespace(backend=SimpleNamespace(vocab=v)) for v in (large, small)
    ]
    provenance = TokenProvenance(sequences)
    written = [
        (sequence, token) for sequence in sequences for token in range(sequence.backend.vocab)
    ]
    for sequence, token in written:
        provenance.wrote(sequence, token)
    assert [provenance.author(told) for told in provenance.tokens] == written
