"""A draft is what followed the last occurrence of the longest n-gram that ends the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.drafts import Lookup, LookupPool

texts = st.lists(st.integers(0, 3), max_size=60)  # few tokens: n-grams come again


def reference(text: list[int], most: int) -> tuple[list[int], int]:
    for n in range(min(16, len(text)), 1, -1):
        for end in range(len(text) - 1, n - 1, -1):
            if text[end - n : end] == text[-n:]:
                going_on = list(text)
                for at in range(end, end + most):
                    going_on.append(going_on[at])
                return going_on[len(text) :], n
    return [], 0


@given(texts, st.integers(0, 12))
def test_a_draft_follows_the_latest_of_the_longest_matches(text: list[int], most: int) -> None:
    lookup = Lookup(text)
    assert (lookup.draft(most), lookup.matched) == reference(text, most)


@given(texts, st.integers(0, 60), st.integers(0, 8))
def test_it_does_not_matter_in_which_pieces_a_text_comes(
    text: list[int], cut: int, most: int
) -> None:
    lookup = Lookup(text[:cut])
    lookup.draft(most)
    lookup.feed(text[cut:])
    assert lookup.draft(most) == Lookup(text).draft(most)


def test_a_text_that_repeats_itself_is_drafted_on_beyond_its_end() -> None:
    assert Lookup([7, 8, 9, 7, 8, 9]).draft(7) == [7, 8, 9, 7, 8, 9, 7]


@pytest.mark.parametrize("text", [[], [1], [1, 2], [1, 2, 3, 4], [1, 1]])
def test_a_new_end_gives_no_draft(text: list[int]) -> None:
    lookup = Lookup(text)
    assert (lookup.draft(5), lookup.matched) == ([], 0)


def test_a_longer_match_further_back_is_better_than_a_short_one_close_by() -> None:
    text = [1, 2, 3, 4, 50, 9, 3, 4, 60, 1, 2, 3, 4]
    lookup = Lookup(text)
    assert lookup.draft(1) == [50]
    assert lookup.matched == 4


def test_very_common_pairs_are_not_searched_for_ever() -> None:
    """Only the latest occurrences of the last pair are compared, and the draft is still one."""
    text = [1, 2, 5, 6, *([0, 5, 6, 3] * 1000), 1, 2, 5, 6]
    lookup = Lookup(text)
    assert lookup.draft(2) == [3, 1]
    assert lookup.matched == 2


def pooled(texts: list[list[int]], text: list[int], most: int) -> tuple[list[int], int]:
    """Return what the later one of the longest matches in `texts` goes on with."""
    for n in range(min(16, len(text)), 1, -1):
        for other in reversed(texts):
            for end in range(len(other), n - 1, -1):
                if other[end - n : end] == text[-n:]:
                    return [*other[end:], -1][:most], n
    return [], 0


@given(st.lists(texts, max_size=4), texts, st.integers(1, 12))
def test_a_pool_goes_on_as_the_latest_of_the_longest_matches(
    earlier: list[list[int]], text: list[int], most: int
) -> None:
    pool = LookupPool()
    for one in earlier:
        pool.add(one)
    draft, matched = pooled(earlier, text, most)
    found = pool.draft(text, most)
    assert pool.matched == matched
    assert found[: len(draft)] == draft


def test_a_pool_forgets_the_oldest_texts() -> None:
    pool = LookupPool(kept=100)
    for text in range(1000):
        pool.add([text, text, *range(28)])
        assert sum(len(half._tokens) for half in pool._halves) <= 2 * (100 + 4)
    assert pool.draft([999, 999], 3) == [0, 1, 2]
    assert pool.draft([997, 997], 3) == [0, 1, 2]
    assert pool.draft([900, 900], 3) == []
    pool.add([*range(500, 1000)])
    assert pool.draft([500, 501], 3) == []
    assert pool.draft([996, 997], 3) == [998, 999, -1]
