"""Sequences are lent so that as much as possible of what was read is kept and used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_rt.engine.kv.sequences import LAST_TOKENS, WORTH_COPYING, KvSequence, SequencePool

A = list(range(2, 30))
B = list(range(30, 1, -1))


@pytest.fixture
def backend(toy: Callable):
    return toy(sequences=3)


@pytest.fixture
def pool(backend) -> SequencePool:
    return SequencePool(backend)


def read(pool: SequencePool, backend, prompt: list[int], *, release: bool = True) -> KvSequence:
    """Lend a sequence and have it hold all of `prompt`."""
    sequence = pool.take(prompt)
    rest = prompt[len(sequence.tokens) :]
    backend.batch.clear()
    backend.batch.add(sequence.id, len(sequence.tokens), rest, want=1)
    backend.forward()
    sequence.tokens += rest
    if release:
        pool.release(sequence)
    return sequence


def test_empty_sequences_are_used_before_others_are_emptied(pool: SequencePool, backend) -> None:
    ids = {read(pool, backend, [t, *A]).id for t in (2, 3, 4)}
    assert ids == {0, 1, 2}
    assert [len(held) for held in backend.held] == [29, 29, 29]


def test_the_least_recently_used_sequence_makes_room(pool: SequencePool, backend) -> None:
    first, second, third = (read(pool, backend, [t, *A]) for t in (2, 3, 4))
    read(pool, backend, [2, *A, 9])  # the first is used again
    assert pool.take(B) is second
    assert pool.take(B) is third
    assert pool.take(B) is first
    assert not pool.free


def test_what_is_not_worth_copying_makes_room_first(pool: SequencePool, backend) -> None:
    read(pool, backend, A)
    probe = read(pool, backend, [3])
    read(pool, backend, B)
    for _ in range(4):
        assert read(pool, backend, [3]) is probe
    assert backend.held == [A, [3], B]


def test_one_token_is_always_left_to_be_read(pool: SequencePool, backend) -> None:
    read(pool, backend, A)
    again = pool.take(A)
    assert again.tokens == A[:-1]
    assert backend.held[again.id] == A[:-1]


def test_a_longer_prompt_extends_its_sequence_in_place(pool: SequencePool, backend) -> None:
    first = read(pool, backend, A)
    assert pool.take([*A, 5]) is first
    assert first.tokens == A
    assert backend.copies == 0


def test_a_branch_copies_and_leaves_the_other_whole(pool: SequencePool, backend) -> None:
    first = read(pool, backend, A)
    branch = pool.take([*A[:20], 1, 1])
    assert branch is not first
    assert branch.tokens == backend.held[branch.id] == A[:20]
    assert first.tokens == backend.held[first.id] == A


def test_a_branch_of_the_only_idle_sequence_cuts_it(pool: SequencePool, backend) -> None:
    read(pool, backend, [2, *B], release=False)
    read(pool, backend, [3, *B], release=False)
    last = read(pool, backend, A)
    assert pool.take([*A[:20], 1, 1]) is last
    assert last.tokens == A[:20]
    assert backend.copies == 0


def test_a_busy_sequence_lends_its_beginning(pool: SequencePool, backend) -> None:
    busy = read(pool, backend, A, release=False)
    other = pool.take([*A, 5])
    assert other is not busy
    assert other.tokens == A
    assert pool.busy == 2


def test_a_short_beginning_is_not_copied(pool: SequencePool, backend) -> None:
    read(pool, backend, A, release=False)
    assert pool.take([*A[: WORTH_COPYING - 1], 1]).tokens == []
    assert backend.copies == 0


def test_a_model_that_cannot_go_back_starts_anew(toy: Callable) -> None:
    backend = toy(sequences=2, recurrent=True)
    pool = SequencePool(backend)
    first = read(pool, backend, A)
    assert pool.take([*A, 5]) is first  # going on is no going back
    assert first.tokens == A
    pool.release(first)
    branch = pool.take([*A[:20], 1])
    assert branch.tokens == backend.held[branch.id] == []


def test_a_model_that_cannot_go_back_goes_to_its_marks(toy: Callable) -> None:
    backend = toy(sequences=2, recurrent=True)
    pool = SequencePool(backend)
    first = read(pool, backend, A[:20], release=False)
    pool.mark(first)
    first.tokens += A[20:]
    backend.held[first.id] += A[20:]
    pool.release(first)
    assert pool.reusable([*A[:24], 1]) == 20
    branch = pool.take([*A[:24], 1])
    assert branch is not first  # which loses nothing
    assert branch.tokens == backend.held[branch.id] == A[:20]
    pool.rewind(first, 25)
    assert first.tokens == backend.held[first.id] == A[:20]
    pool.rewind(first, 19)
    assert first.tokens == backend.held[first.id] == []


def test_where_a_prompt_is_marked(toy: Callable) -> None:
    backend = toy(sequences=2, recurrent=True)
    pool = SequencePool(backend)
    prompt = [*A, *B, *A]
    assert pool.stops(prompt, 0) == {len(prompt) - LAST_TOKENS}
    read(pool, backend, [*A, 5, 5])
    assert pool.stops(prompt, 0) == {len(A), len(prompt) - LAST_TOKENS}
    assert pool.stops(prompt, len(prompt) - 9) == set()  # soon read again
    assert SequencePool(toy()).stops(prompt, 0) == set()


def test_after_dropping_nothing_is_reused(pool: SequencePool, backend) -> None:
    read(pool, backend, A)
    pool.drop_all()
    assert pool.reusable([*A, 5]) == 0
    assert backend.held == [[], [], []]


def test_busy_sequences_stay_neighbours(toy: Callable) -> None:
    backend = toy(sequences=6)
    pool = SequencePool(backend)
    kept = [read(pool, backend, [t] * 20) for t in range(5, 9)]  # idle, worth keeping
    first = pool.take([9, 9])
    others = [pool.take([9, t]) for t in (10, 11, 12)]
    ids = sorted(s.id for s in (first, *others))
    assert ids == list(range(ids[0], ids[0] + 4))
    assert kept


def test_a_prefix_moves_beside_the_busy_ones_when_that_costs_nothing_else(toy: Callable) -> None:
    backend = toy(sequences=4)
    pool = SequencePool(backend)
    home = read(pool, backend, A)
    between = pool.take([5, 5])
    busy = pool.take([6, 6])
    pool.release(between, keep=False)
    moved = pool.take([*A, 3])
    assert abs(moved.id - busy.id) == 1
    assert moved.tokens == A
    assert home.tokens == []  # it is not held twice


def test_a_prefix_stays_where_moving_it_would_drive_out_another(toy: Callable) -> None:
    backend = toy(sequences=3)
    pool = SequencePool(backend)
    home = read(pool, backend, A)
    read(pool, backend, B)
    pool.take([6, 6])
    assert pool.take([*A, 3]) is home


def test_what_others_read_since_is_taken_over(pool: SequencePool, backend) -> None:
    late = pool.take(A)
    read(pool, backend, A, release=False)
    pool.refill(late, A)
    assert late.tokens == backend.held[late.id] == A[:-1]
    assert backend.copies == 1
    pool.refill(late, A)
    assert backend.copies == 1


def test_a_model_that_cannot_copy_is_not_made_to_begin_again_and_again(toy: Callable) -> None:
    backend = toy(sequences=2, recurrent=True)
    pool = SequencePool(backend)
    late = pool.take(A)
    read(pool, backend, [*A, 5], release=False)
    pool.refill(late, A)
    copies = backend.copies
    pool.refill(late, A)
    assert late.tokens == backend.held[late.id] == []
    assert backend.copies == copies


@pytest.fixture
def four(toy: Callable):
    return toy(sequences=4)


def test_a_pinned_prompt_makes_room_last(four) -> None:
    pool = SequencePool(four)
    pinned = read(pool, four, [2, *A])
    pool.pin(pinned, [2, *A])
    for t in range(3, 9):
        read(pool, four, [t, *B])
    assert pool.reusable([2, *A, 9]) == len(A) + 1
    taken = [pool.take([t, *B, 1]) for t in range(9, 13)]
    assert taken[-1] is pinned  # there was no other
    assert pinned.pinned == 0


def test_a_pin_moves_with_what_was_read(four) -> None:
    pool = SequencePool(four)
    pool.take([7, *B])
    read(pool, four, [8, *B])
    last = pool.take([9, *B])
    pinned = read(pool, four, [2, *A])
    pool.pin(pinned, [2, *A])
    pool.release(last, keep=False)
    moved = pool.take([2, *A, 5])
    assert (moved.pinned, sum(s.pinned > 0 for s in pool._all)) == (len(A) + 1, 1)


def test_at_most_half_of_the_sequences_are_pinned(four) -> None:
    pool = SequencePool(four)
    first, second, third = (read(pool, four, [t, *A]) for t in (2, 3, 4))
    for one in (first, second, third):
        pool.pin(one, one.tokens)
    assert [one.pinned > 0 for one in (first, second, third)] == [False, True, True]


def test_a_prompt_that_begins_like_a_pinned_one_takes_its_place(four) -> None:
    pool = SequencePool(four)
    other, first = read(pool, four, [5, *B]), read(pool, four, [*A, 2])
    second = read(pool, four, [*A, 3])
    for one in (other, first, second):
        pool.pin(one, one.tokens)
    assert [one.pinned > 0 for one in (other, first, second)] == [True, False, True]


def test_the_only_sequence_is_not_pinned(toy: Callable) -> None:
    pool = SequencePool(backend := toy(sequences=1))
    only = read(pool, backend, A)
    pool.pin(only, A)
    assert only.pinned == 0
