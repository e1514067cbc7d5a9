"""The prompts of the benchmarks."""

from __future__ import annotations

from benchlib import prompts
from benchlib.workload import Amounts


def test_there_are_enough_for_a_round_and_no_two_begin_alike() -> None:
    found, amounts = prompts.built_in(), Amounts()
    assert len(set(found.short)) == len(found.short) >= amounts.short
    assert len({text[:200] for text in found.long}) == len(found.long) >= amounts.prefill
    assert all(1700 < len(text) < 1800 for text in found.long)
