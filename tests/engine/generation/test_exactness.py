"""How many tokens a model reads at once without writing anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from duo import SPECULATIVE, Duo

from edge_rt.core.decoding import Mode, Sampling
from edge_rt.core.errors import EngineError
from edge_rt.engine.generation.modes import exact_rows

PROMPT = [8 + i % 5 for i in range(30)]  # its end is known from before


def rounding(backend: Any, rows: int, by: float = 0.3) -> Any:
    """Have a toy model round otherwise where it reads so many tokens of a sequence or more."""
    forward = backend.forward

    def rounded() -> None:
        forward()
        if any(count >= rows for _, count in backend.passes[-1]):
            for row, logits in backend._logits.items():
                backend._logits[row] = logits + np.float32(by) * np.sin(np.arange(len(logits)))

    backend.forward = rounded
    return backend


@pytest.mark.parametrize(
    ("differs", "exact"), [(2, 1), (3, 2), (4, 3), (5, 4), (8, 7), (16, 15), (17, 16), (99, 16)]
)
def test_it_is_as_many_as_read_like_single_ones(toy: Callable, differs: int, exact: int) -> None:
    backend = rounding(toy(outputs=32), differs)
    assert exact_rows(backend, 1) == exact
    assert backend.held[1] == []


def test_what_only_the_last_layer_rounds_is_exact(toy: Callable) -> None:
    assert exact_rows(rounding(toy(outputs=32), 4, by=3e-6), 0) == 16


@pytest.mark.parametrize("sizes", [{"outputs": 5}, {"outputs": 32, "batch": 5}])
def test_no_more_are_tried_than_a_pass_holds(toy: Callable, sizes: dict[str, int]) -> None:
    assert exact_rows(toy(**sizes), 0) == 5


@pytest.mark.parametrize("mode", [SPECULATIVE, Mode("lookup")])
@pytest.mark.parametrize("rows", [2, 4, 99])
def test_drafts_are_no_longer_than_is_exact(
    toy: Callable, new_duo: Callable[..., Duo], new_request: Callable, mode: Mode, rows: int
) -> None:
    large = rounding(toy(outputs=16), rows, by=20.0)
    greedy = {"sampling": Sampling(temperature=0.0), "max_tokens": 40}
    alone, drafting = new_duo(rounding(toy(outputs=16), rows, by=20.0)), new_duo(large)
    expected = alone.submit(new_request(1, PROMPT, **greedy))
    heard = drafting.submit(new_request(1, PROMPT, mode=mode, **greedy))
    tried = len(large.passes)
    alone.settle()
    drafting.settle()
    assert heard.outcome() == expected.outcome()
    read = [count for one in large.passes[tried:] for _, count in one]
    assert max(read[2:]) < rows  # the prompt takes two passes


def test_it_is_tried_once_and_only_for_drafts(
    toy: Callable, new_duo: Callable[..., Duo], new_request: Callable
) -> None:
    duo = new_duo(toy(outputs=16))
    passes = duo.backends["toy"].passes
    duo.submit(new_request(1, PROMPT, max_tokens=4))
    assert not passes
    duo.settle()
    before = len(passes)
    duo.submit(new_request(2, PROMPT, max_tokens=4, mode=Mode("lookup")))
    tried = len(passes)
    assert tried > before
    duo.submit(new_request(3, PROMPT, max_tokens=4, mode=Mode("lookup")))
    assert len(passes) == tried
    duo.settle()


def test_without_a_free_sequence_it_is_not_tried_yet(
    toy: Callable, new_duo: Callable[..., Duo], new_request: Callable
) -> None:
    duo = new_duo(toy(outputs=16, sequences=1))
    passes = duo.backends["toy"].passes
    duo.submit(new_request(1, PROMPT, max_tokens=4))
    duo.step()
    before = len(passes)
    later = duo.submit(new_request(2, PROMPT, max_tokens=4, mode=Mode("lookup")))
    assert len(passes) == before
    duo.settle()
    assert later.finished


def test_where_it_cannot_be_tried_nothing_is_drafted(
    toy: Callable, new_duo: Callable[..., Duo], new_request: Callable
) -> None:
    duo = new_duo(toy(outputs=16))
    duo.backends["toy"].failures.append(EngineError("no"))
    heard = duo.submit(new_request(1, PROMPT, max_tokens=40, mode=Mode("lookup")))
    duo.settle()
    assert (heard.finished[0].made.accepted, heard.finished[0].made.rejected) == (0, 0)
