"""Drafts are as long as they pay, and there are none where they do not: in a simulated machine."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.decoding.draft_length import DraftLength
from edge_rt.decoding.experience import Experience, PassTimes

pytestmark = pytest.mark.slow  # thousands of drafts

MOST = 12
ROUNDS = 3000
PROMPT, ANSWER = 60, 200  # tokens


@dataclass(frozen=True)
class Machine:
    """Seconds of passes, and how sure the draft model is: Beta-distributed, spread or not."""

    alone: float = 0.095
    draft: float = 0.02
    first: float = 0.02  # what verifying adds to a pass, and for each row
    row: float = 0.012
    agreement: float = 0.8
    concentration: float = 2.0
    boast: float = 1.0  # accepted: confidence ** boast
    read: float = 0.011
    beside: float = 0.0  # what a guess costs that nobody tells

    def confidences(self, rng: np.random.Generator, count: int) -> np.ndarray:
        a = self.agreement * self.concentration
        return rng.beta(a, self.concentration - a, count)

    def verify(self, drafted: int) -> float:
        return self.alone + (self.first + self.row * drafted if drafted else 0.0)

    def best_fixed(self) -> float:
        """Tokens a second with the best of all fixed lengths, 0 among them, prompts included."""
        sure = self.confidences(np.random.default_rng(0), 100_000)
        acceptance = float((sure**self.boast).mean())
        rates = []
        for length in range(MOST + 1):
            tokens = sum(acceptance**k for k in range(length + 1))
            token_s = (length * self.draft + self.verify(length)) / tokens
            reading = PROMPT * self.read if length else 0.0
            rates.append(ANSWER / (ANSWER * token_s + reading))
        return max(rates)


class Answering:
    """Draws rounds as an engine would, and counts what they take."""

    def __init__(self, seed: int = 1) -> None:
        self.times, self.known = PassTimes(), Experience()
        self.length = DraftLength(MOST, self.times, self.known)
        self.rng = np.random.default_rng(seed)
        self.tokens = self.begin = self.begun = self.drafted = 0
        self.behind = PROMPT
        self.seconds = 0.0

    def run(self, machine: Machine, rounds: int) -> float:
        """Tokens a second over `rounds` rounds."""
        tokens, seconds = self.tokens, self.seconds
        for _ in range(rounds):
            self._round(machine)
        return (self.tokens - tokens) / (self.seconds - seconds)

    def _round(self, machine: Machine) -> None:
        if self.tokens - self.begin >= ANSWER:
            self.begin, self.behind = self.tokens, PROMPT
        if not self.length.begins(self.behind):
            self._alone(machine)
            self.behind += 1
            return
        self.begun += 1
        draft = self._draft(machine)
        if not draft:
            self._alone(machine)
            self.length.verified([], 0)
            return
        self._spend(machine.verify(len(draft)))
        self.times.verify_took(len(draft) + 1, machine.verify(len(draft)))
        hits = self.rng.random(len(draft)) < np.array(draft) ** machine.boast
        accepted = len(draft) if hits.all() else int(hits.argmin())
        self.tokens += accepted + 1
        self.drafted += len(draft)
        self.length.verified(draft, accepted)

    def _draft(self, machine: Machine) -> list[float]:
        if self.behind > 8:
            self._spend(machine.read * self.behind)
            self.times.read.add(machine.read)
        self.behind = 1
        draft: list[float] = []
        for guess in map(float, machine.confidences(self.rng, MOST)):
            self._spend(machine.draft + machine.beside)
            self.times.draft.add(machine.draft)
            if not self.length.adds(draft, guess):
                break
            draft.append(guess)
            if not self.length.goes_on(draft):
                break
        return draft

    def _alone(self, machine: Machine) -> None:
        self._spend(machine.alone)
        self.times.alone.add(machine.alone)
        self.tokens += 1

    def _spend(self, seconds: float) -> None:
        self.seconds += seconds


PAYING = [
    Machine(),
    Machine(agreement=0.9, concentration=1.0),
    Machine(agreement=0.6, concentration=0.8),
    Machine(agreement=0.95, draft=0.04, row=0.02),
    Machine(agreement=0.7, draft=0.004, row=0.004),
    Machine(agreement=0.85, concentration=50.0),  # all guesses alike
    Machine(agreement=0.8, boast=0.4),  # surer than it says
    Machine(agreement=0.9, boast=2.0),  # less sure than it says
]


# Saves 3 % of the time, less what is not told.
HARDLY = Machine(
    alone=0.024,
    draft=0.011,
    first=0.0,
    row=0.008,
    agreement=0.91,
    concentration=50.0,
    read=0.0016,
    beside=0.002,
)


@pytest.mark.parametrize("machine", PAYING, ids=range(len(PAYING)))
def test_it_comes_within_a_tenth_of_the_best_fixed_length(machine: Machine) -> None:
    assert Answering().run(machine, 1000) >= 0.9 * machine.best_fixed()


@settings(max_examples=max(1, settings().max_examples // 8))
@given(
    st.builds(
        Machine,
        draft=st.floats(0.002, 0.1),
        first=st.floats(0.0, 0.08),
        row=st.floats(0.001, 0.05),
        agreement=st.floats(0.2, 0.97),
        concentration=st.sampled_from([0.5, 2.0, 30.0]),
        boast=st.sampled_from([0.5, 1.0, 2.0]),
    ),
    st.integers(0, 100),
)
def test_on_any_machine_too_and_hardly_slower_than_no_draft(machine: Machine, seed: int) -> None:
    rate = Answering(seed).run(machine, ROUNDS)
    assert rate >= 0.9 * machine.best_fixed()
    assert rate >= 0.97 / machine.alone


@pytest.mark.parametrize(
    "machine",
    [
        Machine(draft=0.09, agreement=0.7),
        Machine(agreement=0.15),
        Machine(first=0.2),
        Machine(row=0.1, agreement=0.6),
        HARDLY,
    ],
    ids=["slow draft", "bad draft", "slow verification", "slow rows", "hardly"],
)
def test_where_drafting_cannot_pay_there_is_none_but_for_rare_tries(machine: Machine) -> None:
    answering = Answering()
    answering.run(machine, 300)
    begun = answering.begun
    rate = answering.run(machine, ROUNDS)
    tries = answering.begun - begun
    assert 2 <= tries <= 120
    assert rate >= 0.97 / machine.alone


def test_it_notices_when_drafting_begins_to_pay_and_when_it_ends() -> None:
    answering = Answering()
    answering.run(Machine(agreement=0.1), 2000)
    answering.run(Machine(agreement=0.9), 4000)
    good = Machine(agreement=0.9)
    assert answering.run(good, 1000) >= 0.9 * good.best_fixed()
    answering.run(Machine(agreement=0.1), 300)
    assert answering.run(Machine(agreement=0.1), 1000) >= 0.97 / good.alone


def test_better_guesses_make_longer_drafts() -> None:
    def mean_draft(agreement: float) -> float:
        answering, machine = Answering(), Machine(agreement=agreement, concentration=50.0)
        answering.run(machine, 500)
        answering.drafted = 0
        answering.run(machine, 500)
        return answering.drafted / 500

    assert mean_draft(0.6) < mean_draft(0.8) < mean_draft(0.95)


def test_a_long_prompt_is_not_read_for_a_few_tokens() -> None:
    answering = Answering()
    answering.run(Machine(agreement=0.9), 500)
    answering.times.read.add(0.011)
    assert answering.length.begins(behind=50)
    assert not answering.length.begins(behind=50, left=5)
    assert not answering.length.begins(behind=5000)


def test_a_free_draft_is_cut_where_its_rows_cost_more() -> None:
    """Lookup: the draft costs nothing, and is as good as its match is long."""
    machine, times = Machine(), PassTimes()
    length, rng = DraftLength(MOST, times, Experience()), np.random.default_rng(3)
    cuts: dict[float, list[int]] = {0.25: [], 0.9: []}
    for turn in range(4000):
        confidence = 0.25 if turn % 2 else 0.9
        drafted = length.cut([confidence] * 8)
        cuts[confidence].append(drafted)
        if drafted:
            times.verify_took(drafted + 1, machine.verify(drafted))
            hits = rng.random(drafted) < (0.05 if turn % 2 else 0.85)
            accepted = drafted if hits.all() else int(hits.argmin())
            length.verified([confidence] * drafted, accepted)
        else:
            times.alone.add(machine.alone)
    assert np.mean(cuts[0.25][1000:]) < 0.3
    assert np.mean(cuts[0.9][1000:]) > 4
    assert length.cut([]) == 0


def looked_up(machine: Machine, known: Experience, times: PassTimes, hits: list[bool]) -> float:
    """Return the seconds of an answer over those without drafts; `hits` tells what is accepted."""
    length, seconds, tokens = DraftLength(MOST, times, known), PROMPT * machine.read, 0
    length.read(seconds)
    plain = seconds + ANSWER * machine.alone
    for place in itertools.count():
        if tokens >= ANSWER:
            return seconds / plain
        sure = [0.8] * MOST
        drafted = length.cut(sure)
        took = machine.verify(drafted)
        if drafted:
            times.verify_took(drafted + 1, took)
        else:
            times.alone.add(took)
        accepted = drafted if hits[place % len(hits)] else 0
        length.verified(sure[:drafted], accepted)
        seconds, tokens = seconds + took, tokens + accepted + 1
    raise AssertionError


@pytest.mark.parametrize("before", [0, 1, 5])
def test_an_answer_whose_drafts_are_all_in_vain_takes_hardly_longer(before: int) -> None:
    """However good the drafts of the answers before it were, or where there was none."""
    machine, known, times = Machine(), Experience(), PassTimes()
    for _ in range(before):
        looked_up(machine, known, times, [True])
    assert looked_up(machine, known, times, [False]) <= 1.03


def test_what_drafts_have_saved_may_be_lost_again() -> None:
    machine, known, times = Machine(), Experience(), PassTimes()
    assert looked_up(machine, known, times, [True]) < 0.5
    assert looked_up(machine, known, times, [True, True, True, False]) < 0.7


def test_a_target_with_no_time_of_its_own_yet_writes_alone_first() -> None:
    assert not DraftLength(MOST, PassTimes(), Experience()).begins()
    assert DraftLength(MOST, PassTimes(), Experience()).cut([]) == 0


def test_rounds_of_two_answers_go_on_side_by_side_and_both_teach() -> None:
    answering = Answering()
    answering.run(Machine(agreement=0.9), 500)
    answering.times.read.add(0.011)
    one, known = answering.length, answering.known
    two = DraftLength(MOST, answering.times, known)
    assert one.begins(behind=1)
    assert one.adds([], 0.99)
    assert one.goes_on([0.99])
    assert not two.begins(behind=5000)  # and the first one's round is what it was
    two.verified([], 0)
    assert one.adds([0.99], 0.99)
    before = known.calibration.acceptance(0.99)
    one.verified([0.99, 0.99], 0)
    assert known.calibration.acceptance(0.99) < before
    told = known.calibration.acceptance(0.99)
    one.verified([0.99, 0.99], 0)  # of a round that was never begun
    assert known.calibration.acceptance(0.99) == told
