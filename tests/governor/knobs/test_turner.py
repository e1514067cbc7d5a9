"""A turned knob is put back; one that cannot be is remembered; one that others moved is theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from knob_help import FakeKnob, Life

from edge_rt.governor.knobs.knob import KnobError, KnobGone, Value


@pytest.fixture
def knob() -> FakeKnob:
    return FakeKnob()


def test_a_knob_is_turned_and_put_back(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    outcome = life.turn(60)
    assert (outcome.state, outcome.original, outcome.value) == ("turned", 100, 60)
    assert outcome.said is None
    assert life.restore().state == "restored"
    assert knob.history == [60, 100]
    assert life.journal.entries() == ()


def test_the_original_is_in_the_journal_before_the_first_write(
    tmp_path: Path, knob: FakeKnob
) -> None:
    life = Life(tmp_path, knob)
    seen: list[tuple[Value, Value | None]] = []

    def takes(value: Value) -> Value:
        entry = life.journal.get("fan")
        assert entry is not None
        seen.append((entry.original, entry.came))
        return value

    knob.takes = takes
    life.turn(60)
    assert seen == [(100, None)]
    entry = life.journal.get("fan")
    assert entry is not None
    assert entry.came == 60


def test_a_knob_that_stands_right_is_left_alone(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    outcome = life.turn(100)
    assert (outcome.state, outcome.original, outcome.value) == ("turned", 100, 100)
    assert outcome.said == "it stood so before"
    assert life.journal.entries() == ()
    assert knob.history == []


def test_the_value_that_came_is_told_and_is_ours(tmp_path: Path, knob: FakeKnob) -> None:
    knob.takes = lambda value: 64 if value == 60 else value
    life = Life(tmp_path, knob)
    outcome = life.turn(60)
    assert (outcome.state, outcome.value) == ("turned", 64)
    assert outcome.said == "asked for 60, it then said 64"
    assert life.restore().state == "restored"
    assert knob.value == 100


def test_a_write_that_did_not_take_is_an_error_with_what_the_file_said(
    tmp_path: Path, knob: FakeKnob
) -> None:
    knob.takes = lambda value: 100
    life = Life(tmp_path, knob)
    outcome = life.turn(60)
    assert (outcome.state, outcome.said) == ("failed", "60 was written, and it still says 100")
    assert life.journal.entries() == ()


def test_a_value_that_takes_a_while_to_show_is_waited_for(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    late = iter([100, 100, 100])

    class Late(FakeKnob):
        def read(self) -> Value:
            return next(late, self.value) if self.history else self.value

    slow = Late()
    life.knobs["fan"] = slow
    assert life.turn(60).state == "turned"
    late = iter([60, 60, 60, 60])
    assert life.restore().state == "restored"
    assert slow.history == [60, 100]


def test_a_refused_write_leaves_nothing_behind(tmp_path: Path, knob: FakeKnob) -> None:
    knob.refusal = KnobError("no right to /sys/fan")
    life = Life(tmp_path, knob)
    outcome = life.turn(60)
    assert (outcome.state, outcome.said) == ("failed", "no right to /sys/fan")
    assert life.journal.entries() == ()


def test_a_write_that_failed_halfway_is_undone(tmp_path: Path, knob: FakeKnob) -> None:
    def takes(value: Value) -> Value:
        if value == 60:
            knob.value = 77
            raise KnobError("the second half was refused")
        return value

    knob.takes = takes
    life = Life(tmp_path, knob)
    assert life.turn(60).state == "failed"
    assert knob.value == 100
    assert life.journal.entries() == ()


def test_what_was_set_by_somebody_else_is_left_alone(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    life.turn(60)
    knob.value = 80
    life.turner.look()
    assert life.outcome().state == "moved"
    outcome = life.restore()
    assert outcome.state == "moved"
    assert outcome.said is not None
    assert "80" in outcome.said
    assert knob.value == 80
    assert life.journal.entries() == ()


def test_a_moved_knob_is_not_turned_again_in_this_life_but_in_the_next(
    tmp_path: Path, knob: FakeKnob
) -> None:
    first = Life(tmp_path, knob)
    first.turn(60)
    knob.value = 80
    first.turner.look()
    first.turn(60)
    assert knob.value == 80
    second = Life(tmp_path, knob)
    assert second.restore().state == "moved"
    assert second.turn(60).original == 80
    second.restore()
    assert knob.value == 80


def test_a_second_start_keeps_the_first_original(tmp_path: Path, knob: FakeKnob) -> None:
    Life(tmp_path, knob).turn(60)
    second = Life(tmp_path, knob)
    assert second.turn(50).original == 100
    third = Life(tmp_path, knob)
    assert third.turn(50).original == 100
    third.restore()
    assert knob.value == 100


def test_a_knob_that_cannot_be_put_back_stays_and_is_tried_at_the_next_start(
    tmp_path: Path, knob: FakeKnob, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path, knob)
    life.turn(60)
    knob.refusal = KnobError("no right to /sys/fan")
    outcome = life.restore()
    assert outcome.state == "failed"
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert "no right to /sys/fan" in caplog.text
    knob.refusal = None
    assert Life(tmp_path, knob).restore().state == "restored"
    assert knob.value == 100


def test_a_restore_that_was_rounded_is_tried_again(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    life.turn(60)
    knob.takes = lambda value: 90
    outcome = life.restore()
    assert outcome.state == "failed"
    assert outcome.said is not None
    assert outcome.said.startswith("100 was written, and it says 90")
    knob.takes = lambda value: value
    assert Life(tmp_path, knob).restore().state == "restored"
    assert knob.value == 100


def test_one_knob_that_fails_does_not_keep_others_turned(tmp_path: Path) -> None:
    knobs = [FakeKnob("a"), FakeKnob("b"), FakeKnob("c")]
    life = Life(tmp_path, *knobs)
    for knob in knobs:
        life.turn(60, knob.name)
    knobs[1].refusal = KnobError("no")
    life.turner.restore()
    assert [knob.value for knob in knobs] == [100, 60, 100]
    assert [entry.knob for entry in life.journal.entries()] == ["b"]


def test_the_last_turned_is_put_back_first(tmp_path: Path) -> None:
    order: list[tuple[str, Value]] = []
    knobs = [FakeKnob(name) for name in ("mode", "clock", "limit")]

    def noting(knob: FakeKnob) -> None:
        def takes(value: Value) -> Value:
            order.append((knob.name, value))
            return value

        knob.takes = takes

    life = Life(tmp_path, *knobs)
    for knob in knobs:
        noting(knob)
        life.turn(1, knob.name)
    life.turner.restore()
    names = [knob.name for knob in knobs]
    assert [name for name, _ in order] == names + names[::-1]


def test_a_knob_that_vanished_is_dropped_with_a_message(
    tmp_path: Path, knob: FakeKnob, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path, knob)
    life.turn(60)
    knob.broken = KnobGone("/sys/fan is gone")
    life.turner.look()
    assert life.outcome().state == "gone"
    assert life.restore().state == "gone"
    assert "/sys/fan is gone" in caplog.text
    assert life.journal.entries() == ()


def test_a_knob_of_an_unknown_kind_stays_in_the_journal(tmp_path: Path, knob: FakeKnob) -> None:
    Life(tmp_path, knob).turn(60)
    assert Life(tmp_path).restore().state == "failed"
    assert Life(tmp_path, knob).restore().state == "restored"


def test_after_a_restart_of_the_board_only_lasting_knobs_are_put_back(tmp_path: Path) -> None:
    clock, mode = FakeKnob("clock"), FakeKnob("mode", "MAXN", lasting=True)
    first = Life(tmp_path, clock, mode, boot="yesterday")
    first.turn(60, "clock")
    first.turn("15W", "mode")
    clock.value = 60  # what the boot set; it happens to be what was turned
    second = Life(tmp_path, clock, mode, boot="today")
    second.turner.restore()
    assert (clock.value, mode.value) == (60, "MAXN")
    assert second.journal.entries() == ()


def test_an_original_from_before_the_restart_is_none(tmp_path: Path, knob: FakeKnob) -> None:
    Life(tmp_path, knob, boot="yesterday").turn(60)
    knob.value = 90
    today = Life(tmp_path, knob, boot="today")
    assert today.turn(60).original == 90
    today.restore()
    assert knob.value == 90


@pytest.mark.parametrize(("then", "now"), [(None, "b"), ("b", None), (None, None)])
def test_a_boot_that_is_not_known_counts_as_this_one(
    tmp_path: Path, knob: FakeKnob, then: str | None, now: str | None
) -> None:
    Life(tmp_path, knob, boot=then).turn(60)
    Life(tmp_path, knob, boot=now).restore()
    assert knob.value == 100


def test_while_the_setting_cannot_be_told_a_knob_waits(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    knob.why_hidden, knob.value = "the kernel throttles", 40
    outcome = life.turn(60)
    assert outcome.state == "waiting"
    assert life.turner.waiting
    assert outcome.said is not None
    assert "the kernel throttles" in outcome.said
    assert life.journal.entries() == ()
    knob.why_hidden, knob.value = None, 100
    assert life.turn(60).original == 100
    assert not life.turner.waiting


def test_a_hidden_setting_is_put_back_whatever_is_shown(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    life.turn(60)
    knob.why_hidden, knob.takes, knob.value = "the kernel throttles", lambda value: 40, 40
    life.turner.look()
    assert life.outcome().state == "turned"
    assert life.restore().state == "restored"
    assert knob.history == [60, 100]
    assert life.journal.entries() == ()


def test_an_original_that_shows_by_chance_is_written_all_the_same(tmp_path: Path) -> None:
    knob = FakeKnob(value=40)
    life = Life(tmp_path, knob)
    life.turn(60)
    knob.why_hidden, knob.value = "the kernel throttles to 40", 40
    assert life.restore().state == "restored"
    assert knob.history == [60, 40]


def test_a_knob_that_never_stands_still_waits(tmp_path: Path) -> None:
    class Restless(FakeKnob):
        def read(self) -> Value:
            assert isinstance(self.value, int)
            self.value += 1
            return self.value

    life = Life(tmp_path, Restless())
    assert life.turn(60).state == "waiting"
    assert life.journal.entries() == ()


def test_no_journal_no_turn(tmp_path: Path, knob: FakeKnob) -> None:
    (tmp_path / "knobs.json").mkdir()
    assert Life(tmp_path, knob).turn(60).state == "failed"
    assert knob.history == []


def test_a_forgotten_knob_is_in_no_report_and_no_journal(tmp_path: Path, knob: FakeKnob) -> None:
    life = Life(tmp_path, knob)
    life.turn(60)
    life.turner.forget("fan")
    life.turner.forget("nobody")
    assert (life.turner.outcomes, life.journal.entries()) == ([], ())


def test_an_outcome_is_logged_once(
    tmp_path: Path, knob: FakeKnob, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path, knob)
    knob.refusal = KnobError("no")
    for _ in range(3):
        life.turn(60)
    assert len(caplog.records) == 1
