"""The model to start with fits the machine, and answers best of those that do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_rt.models.catalogue import Catalogue, load_catalogue
from edge_rt.models.record import DefaultCandidate, best, better, starter

GB = 10**9
SMALL = DefaultCandidate("small", GB // 10, 1.0, {"arc": 0.1})
LARGE = DefaultCandidate("large", GB, 2.0, {"arc": 0.4, "mmlu": 0.1})
OWN = DefaultCandidate("own", GB // 2, 3.0)


@pytest.mark.parametrize(
    ("memory", "id", "larger"),
    [
        (0.4 * GB, "smollm2-135m-instruct", None),
        (0.93 * GB, "smollm2-135m-instruct", None),  # a board of 1 GB, less what its GPU takes
        (1.8 * GB, "qwen2.5-coder-0.5b-instruct", None),  # one of 2 GB
        (3.8 * GB, "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"),
        (64 * GB, "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"),
    ],
)
def test_what_the_catalogue_has_for_a_machine(memory: int, id: str, larger: str | None) -> None:
    catalogue = load_catalogue()
    found = starter(catalogue, int(memory))
    assert found is not None
    assert found.id == id
    other = better(catalogue, id, int(memory))
    assert (other and other.id) == larger
    assert better(catalogue, "nothing of the catalogue", int(memory)) is None


def test_an_empty_catalogue_has_nothing_to_start_with() -> None:
    assert starter(Catalogue(), GB) is None
    assert best([], GB) is None


def test_of_those_that_fit_the_one_with_the_best_figures_is_taken() -> None:
    assert best([SMALL, LARGE], 8 * GB) == LARGE
    assert best([SMALL, LARGE], 2 * GB) == SMALL
    worse = replace(LARGE, figures={"arc": 0.05, "mmlu": 0.9})  # the others took no mmlu
    assert best([SMALL, worse], 8 * GB) == SMALL


def test_where_one_was_never_tested_the_size_decides() -> None:
    assert best([SMALL, OWN, LARGE], 8 * GB) == OWN
    assert best([SMALL, OWN, LARGE], 1 * GB) == SMALL


def test_where_nothing_fits_the_smallest_is_taken() -> None:
    assert best([LARGE, SMALL], 1000) == SMALL


def test_of_equally_good_ones_the_first_stays() -> None:
    later = replace(LARGE, id="another format", bytes=GB // 2, since=2)
    assert best([later, replace(LARGE, since=1)], 8 * GB) == replace(LARGE, since=1)
