"""How the governor's terms are switched off one at a time, and what their rows say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchlib import BenchError
from benchlib.govern import Ask
from benchlib.govern_ablation import ALL, RIVAL, Mean, Run, ablate, mean_of, rows_of, run
from benchlib.govern_ablation import table as table_of
from benchlib.govern_terms import TERMS, Term
from benchlib.plant_cases import Case


class Owner:
    """Has something that can be switched off."""

    def gain(self) -> float:
        return 2.0


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_a_term_is_off_only_for_a_while(term: Term) -> None:
    before = vars(term.owner)[term.attribute]
    assert before != term.neutral
    with term.off():
        assert vars(term.owner)[term.attribute] == term.neutral
    assert vars(term.owner)[term.attribute] is before


def test_a_term_is_on_again_after_a_failure() -> None:
    term = Term("gain", Owner, "gain", lambda _self: 1.0)

    def fail() -> None:
        assert Owner().gain() == 1.0
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), term.off():
        fail()
    assert Owner().gain() == 2.0


def test_a_term_that_matters_changes_a_run() -> None:
    case = Case("plain", "pi5", "1x100/150", 0, 0.75, knob=False)
    whole, less = (run(name, case, None) for name in (ALL, "deviation margin"))
    assert whole is not None
    assert less is not None
    assert (less.scene, less.seed) == (whole.scene, whole.seed)
    assert less.work != whole.work


def test_the_rival_runs_without_a_choice_of_clocks_alone() -> None:
    case = Case("plain", "pi5", "1x100/150", 0, 0.6, knob=True)
    assert run(RIVAL, case, None) is None
    found = run(RIVAL, replace(case, knob=False), None)
    assert found is not None
    assert found.ok >= 0.997


def test_tokens_are_compared_scene_by_scene_and_intervals_are_over_seeds() -> None:
    runs = [
        Run(term, scene, seed, ok, work)
        for term, ok, factor in ((ALL, 1.0, 1.0), ("lag", 0.98, 0.9), (RIVAL, 0.99, 1.2))
        for scene, seed, work in (("a", 0, 10.0), ("a", 1, 20.0), ("b", 0, 1.0))
        for work in (factor * work,)
    ]
    rows = rows_of(runs, [ALL, "lag", "never run", RIVAL])
    assert [row.term for row in rows] == [ALL, "lag", RIVAL]
    assert [row.tokens.mean for row in rows] == pytest.approx([1.0, 0.9, 1.2])
    assert (rows[1].ok.mean, rows[1].worst) == (0.98, 0.98)
    assert table_of(rows)[-1].startswith("| integral controller | 0.9900")


def test_an_interval_is_that_of_the_seeds_means() -> None:
    assert mean_of([(0, 1.0), (0, 3.0)]) == Mean(2.0, None)
    found = mean_of([(0, 1.0), (0, 3.0), (1, 4.0)])
    assert found.mean == 3.0
    assert found.half == pytest.approx(12.71 * 2.0**0.5 / 2.0**0.5)


def test_words_that_no_scene_has_are_an_error() -> None:
    with pytest.raises(BenchError, match="nosuch"):
        ablate(lambda _: None, Ask(quick=True, only="nosuch"))
