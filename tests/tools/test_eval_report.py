"""What answers amount to, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from evallib.counted import pass_s
from evallib.document import Document, plain_row, switch_keys, switch_rows, with_oracle
from evallib.figures import against, figures, lookup_figures
from evallib.intervals import Bootstrap
from evallib.markdown import equal, figure, percent, short, table, text
from evallib.record import Key, Record
from evallib.way import Way, ways

from edge_rt.models.pair import Pair

BOOT = Bootstrap(draws=500)
Found = dict[str, Record]


def found(right: Sequence[bool | None], **said: object) -> Found:
    """Answers to items 0, 1, …: right, wrong, or failed where it is None."""
    made: Found = {}
    for number, correct in enumerate(right):
        key = Key("t", str(number), "m", "{}", "fp", "x")
        told = {"seconds": 2.0, "text": f"answer {number}", "answer": "a", **said}
        failed = "no" if correct is None else None
        made[str(number)] = Record(  # pyright: ignore[reportCallIssue]
            key=key, way="w", failed=failed, correct=bool(correct), **told
        )
    return made


def test_what_failed_is_counted_as_nothing_else() -> None:
    row = figures(found([True, None, False, True]), BOOT)
    assert (row["n"], row["failed"]) == (3, 1)
    assert row["accuracy"]["value"] == pytest.approx(2 / 3)


def test_what_is_not_known_is_none_and_not_zero() -> None:
    row = figures(found([True, False]), BOOT)
    for name in (
        "energy_j",
        "large_share",
        "ipw_pct",
        "j_per_correct",
        "temp_c",
    ):
        assert row[name] is None, name
    assert figures({}, BOOT)["accuracy"] is None


def test_lookup_is_judged_by_its_worst_answers() -> None:
    large = found([True] * 20, seconds=10.0, tokens=100)
    good = found([True] * 18, seconds=5.0, tokens=100, accepted_tokens=60, rejected_tokens=20)
    bad = found([True] * 20, seconds=12.0, tokens=100, accepted_tokens=0, rejected_tokens=10)
    both = {**bad, **good}
    assert lookup_figures(both, large) == pytest.approx((1.2, 0.57))
    assert lookup_figures({}, large) is None


def test_joules_a_right_answer_count_those_of_wrong_ones() -> None:
    row = figures(found([True, False, True, False], energy_j=3.0), BOOT)
    assert row["j_per_correct"]["value"] == 6.0
    assert figures(found([False], energy_j=3.0), BOOT)["j_per_correct"] is None


def test_percent_over_watts_goes_by_time() -> None:
    slow, quick = found([True], seconds=3.0, power_w=4.0), found([False], seconds=1.0, power_w=8.0)
    both = {"0": slow["0"], "1": quick["0"]}
    assert figures(both, BOOT)["ipw_pct"]["value"] == pytest.approx(100 * 0.5 / 5.0)


def test_the_large_share_is_that_of_all_tokens() -> None:
    both = {
        "0": found([True], large_tokens=1, small_tokens=9)["0"],
        "1": found([True], large_tokens=20, small_tokens=10)["0"],
    }
    assert figures(both, BOOT)["large_share"] == 21 / 40


def test_only_items_that_both_answered_are_compared() -> None:
    ours, theirs = found([True, True, None, True], seconds=1.0), found([False, True, True])
    held = against(ours, theirs, BOOT)
    assert held["n"] == 2
    assert held["accuracy_difference"]["value"] == 0.5
    assert held["accuracy_ratio"]["value"] == 2.0
    assert held["seconds_ratio"]["value"] == 0.5
    assert held["energy_j_ratio"] is None


def test_answers_are_equal_to_the_byte_or_not_at_all() -> None:
    ours, theirs = found([True] * 3), found([True] * 3)
    assert against(ours, theirs, BOOT)["equal"] == 3
    ours["1"] = found([True], text="answer 1 ")["0"]
    assert against(ours, theirs, BOOT)["equal"] == 2
    ours["2"] = found([True], text="answer 2", reason="length")["0"]
    assert against(ours, theirs, BOOT)["equal"] == 1


def rows() -> list[dict[str, object]]:
    asked = ways(Pair(large="big", small="tiny"), [0.2])
    answers = {way.name: found([True, way.name != "small"], energy_j=2.0) for way in asked}
    answers["entropy@20"] = found([True, True], energy_j=1.0, large_tokens=2, small_tokens=8)
    return switch_rows(asked, answers, BOOT)


def test_a_gate_is_held_against_chance_at_the_same_share_lookup_and_the_large_model() -> None:
    by_name = {row["name"]: row for row in rows()}
    gated = by_name["entropy@20"]
    assert gated["against_random"]["energy_j_ratio"]["value"] == 0.5  # pyright: ignore
    assert gated["against_lookup"]["energy_j_ratio"]["value"] == 0.5  # pyright: ignore
    assert gated["against_large"]["energy_j_ratio"]["value"] == 0.5  # pyright: ignore
    assert gated["edge"] == {"mode": "switch:entropy", "partner": "tiny", "large_share": 0.2}
    assert by_name["random@20"]["against_random"] is None
    assert by_name["large"]["against_random"] is None


def test_an_oracle_takes_the_small_model_where_it_is_right() -> None:
    small, lookup = found([True, False], energy_j=1.0), found([True, True, True], energy_j=3.0)
    best = with_oracle({"small": small, "lookup": lookup})["oracle"]
    assert {item: (one.correct, one.energy_j) for item, one in best.items()} == {
        "0": (True, 1.0),
        "1": (True, 3.0),
    }


def test_the_figures_of_a_switch_are_those_of_the_fastest_share_that_is_right_enough() -> None:
    alike = {"tokens": 10}
    ways_of = {
        "lookup": found([True] * 20, seconds=2.0, **alike),
        "speculative": found([True] * 20, seconds=1.6, **alike),
        "entropy@6": found([True] * 18 + [False] * 2, seconds=0.5, **alike),
        "entropy@20": found([True] * 19 + [False], seconds=1.0, **alike),
        "entropy@40": found([True] * 20, seconds=1.5, **alike),
        "random@20": found([True] * 20, seconds=0.1, **alike),
    }
    assert switch_keys([ways_of], "entropy") == {
        "switch_speed_lossless": pytest.approx(1.25),
        "switch_speed_capped": pytest.approx(2.0),
        "switch_quality": pytest.approx(0.95),
    }
    worse = {name: one for name, one in ways_of.items() if name in ("lookup", "entropy@6")}
    assert switch_keys([worse], "entropy")["switch_quality"] == pytest.approx(0.9)
    assert set(switch_keys([{}], "entropy").values()) == {None}


def test_a_pass_takes_what_a_line_between_the_known_rows_says() -> None:
    assert pass_s({1: 10.0, 3: 30.0, 5: 90.0}, 1) == pytest.approx(0.010)
    assert pass_s({1: 10.0, 3: 30.0, 5: 90.0}, 4) == pytest.approx(0.060)
    assert pass_s({1: 10.0, 3: 30.0, 5: 90.0}, 7) == pytest.approx(0.150)


def test_ways_that_nobody_asked_yet_are_left_out() -> None:
    asked = ways(Pair(large="big", small="tiny"), [0.2])
    only = {way.name: found([True]) if way.name == "entropy@20" else {} for way in asked}
    (row,) = switch_rows(asked, only, BOOT)
    assert (row["name"], row["against_large"]) == ("entropy@20", None)


def test_a_table_has_a_line_for_each_row_and_dashes_for_the_unknown() -> None:
    columns = (
        ("way", text("name")),
        ("accuracy", percent("accuracy")),
        ("J", short("energy_j")),
        ("ratio", figure("held", "ratio")),
        ("same", equal("held")),
    )
    interval = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 4}
    known = {
        "name": "a",
        "accuracy": interval,
        "energy_j": 12.345,
        "held": {"ratio": interval | {"low": None}, "equal": 3, "n": 4},
    }
    lines = table([known, {"name": "b"}], columns).splitlines()
    assert lines[0] == "| way | accuracy | J | ratio | same |"
    assert lines[2] == "| a | 50.0 (25.0 to 75.0) | 12.3 | 0.5 | 3 of 4 |"
    assert lines[3] == "| b | - | - | - | - |"


def test_the_report_is_plain_json_and_markdown(tmp_path: Path) -> None:
    row = plain_row(Way("m", "m"), found([True, False]), found([True, False]), BOOT)
    about = {"questions": {"t": 2}, "seed": 0}
    document = Document("run", about, {"t": [row]}, ["A note."], {}, None, {"cores": 2})
    document.write_json(tmp_path / "new/out.json")
    read = json.loads((tmp_path / "new/out.json").read_text())
    assert read["tasks"]["t"]["ways"][0]["accuracy"]["value"] == 0.5
    assert read["about"] == about
    shown = document.markdown((("way", text("name")), ("%", percent("accuracy"))))
    for part in ("# run, commit unknown", "- questions: t 2", "## t", "| m | 50.0 (", "A note."):
        assert part in shown
