"""Pairs of the catalogue hold until others are tuned, and those outlive the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import to_builtins

from edge_rt.core.errors import ConfigError
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pair import KeptAccuracy, Pair
from edge_rt.models.pairs import FILE, ModelPairs

LISTED = [
    Pair(large="big", small="mid"),
    Pair(large="big", small="tiny"),
    Pair(large="mid", small="tiny", mode="lookup"),
]
TUNED = Pair(
    large="big",
    small="tiny",
    mode="switch:token",
    large_share=0.3,
    first=8,
    kept=KeptAccuracy(figures={"gsm8k": 0.97}, source="own run"),
)


def test_the_first_of_the_catalogue_is_taken(tmp_path: Path) -> None:
    pairs = ModelPairs(tmp_path, LISTED)
    assert [pair.small for pair in pairs.of("big")] == ["mid", "tiny"]
    assert pairs.of("mid") == [LISTED[2]]
    assert not pairs.of("tiny")


def test_what_was_tuned_comes_first_and_stays(tmp_path: Path) -> None:
    other = ModelPairs(tmp_path / "store", LISTED)
    assert list(other) == LISTED
    path = ModelPairs(tmp_path / "store", LISTED).write(TUNED)
    assert path == tmp_path / "store" / FILE
    assert other.of("big") == [TUNED, LISTED[0]]
    assert list(ModelPairs(tmp_path / "store")) == [TUNED]


def test_tuning_again_replaces(tmp_path: Path) -> None:
    pairs = ModelPairs(tmp_path)
    pairs.write(TUNED)
    pairs.write(LISTED[2])
    pairs.write(LISTED[1])
    assert list(pairs) == [LISTED[1], LISTED[2]]


def test_its_file_is_a_catalogue(tmp_path: Path) -> None:
    path = ModelPairs(tmp_path).write(TUNED)
    assert to_builtins(load_catalogue([path]).pairs[0]) == to_builtins(TUNED)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("pairs: [{large: big}]", r"missing required field `small` - at `\$\.pairs\[0\]`"),
        ("pairs: [{large: a, small: b, mode: 'switch:token', threshold: .inf}]", "`float` <= "),
        ("pairs: [", "line 1"),
        ("colour: red", "expected `pairs` and nothing else"),
        ("pairs: !!bool x", ""),
        ("- " * 5000, ""),
    ],
)
def test_a_file_that_is_no_use_is_told(content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match=rf"(?s)pairs\.yaml.*{why}.*mend it"):
        list(ModelPairs(tmp_path, LISTED))


def test_keys_of_later_programs_are_passed_over(tmp_path: Path) -> None:
    kept = "kept: {figures: {gsm8k: 0.97}, source: own run, 'b`': {}}"
    pair = f"large: big, small: tiny, mode: 'switch:token', large_share: 0.3, first: 8, {kept}"
    (tmp_path / FILE).write_text(f"pairs: [{{{pair}, 'a`b`c': 1}}]")
    assert list(ModelPairs(tmp_path)) == [TUNED]


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("")
    assert list(ModelPairs(tmp_path, LISTED)) == LISTED
