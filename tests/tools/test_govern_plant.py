"""How the governor is held against the second plant: windows, steps, constants and cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from benchlib import BenchError, govern_plant_part
from benchlib.govern import Ask
from benchlib.govern_plant import Outcome, evaluate, far_s, governor_of, step_s
from benchlib.govern_plant_long import long_cases, prediction_errors
from benchlib.govern_plant_part import found_of, plant, scenes_part
from benchlib.plant_best import KEPT, Constants, Setting
from benchlib.plant_cache import Kept, sources
from benchlib.plant_cases import (
    BATCH,
    BATCH_SEEDS,
    BOARDS,
    CAPS,
    SCENES,
    SEEDS,
    Case,
    clock_steps,
    cool,
    disturbed,
    grid,
    groups,
    load_profile,
    scene_of,
    scenes,
)
from benchlib.plant_days import day, growth, leaking
from benchlib.plant_figures import draw
from benchlib.plant_kinds import AGX_ORIN, PI5
from benchlib.plant_leak import Learnt, gathered, leak_jobs, learn
from benchlib.plant_load import NOBODY, WORKS, Others, Program
from benchlib.plant_rival import AIMS, HELD, LEAST_DUTY, Integral, Oracle
from benchlib.plant_run import constant, simulate
from benchlib.trace import Trace

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.leakage import LeakagePrior, fit_leakage

CASE = Case("plain", "pi5", "1x100/150", 0, 0.75)
SCENE = replace(scene_of(CASE, 20.0), work=WORKS["1x600/40"])


def traced(powers_w: list[float]) -> Trace:
    count = len(powers_w)
    return Trace(powers_w, [40.0] * count, [0] * count, [1] * count, [0] * count)


def test_there_is_a_case_for_each_board_work_cap_seed_and_knob() -> None:
    found = [case for case in grid(quick=False) if case.part == "plain"]
    assert len(found) == len(BOARDS) * 5 * len(CAPS) * len(SEEDS) * 2 == 450
    assert len({case.label for case in found}) == 450
    assert all(len(group) == 2 * len(CAPS) for group in groups(found))


def test_the_scenes_have_each_seed_once_and_the_batch_on_many() -> None:
    assert len(SCENES) == 22
    found = scenes(quick=False)
    assert len({case.label for case in found}) == len(found)
    batch = {case.seed for case in found if case.work == BATCH and not case.knob}
    assert batch == set(BATCH_SEEDS)
    assert {case.part for case in found} >= {"late-0.0", "late-2.0", "frozen-idle", "deaf"}


def test_cases_are_chosen_by_the_words_of_their_labels() -> None:
    chosen = grid(False, "hidden nano 75% seed1 knob")
    assert {case.board for case in chosen} == {"nano"}
    assert len(chosen) == 5
    assert {case.part for case in long_cases(False, "hold")} == {"hold"}
    for part in (plant, scenes_part):
        with pytest.raises(BenchError, match="nosuch"):
            part(lambda _: None, Ask(quick=True, only="nosuch"))


def test_slow_sensors_have_longer_windows_and_late_ones_are_judged_by_longer_ones() -> None:
    windows = {board: Case("plain", board, "1x100/150", 0, 0.6).window_s for board in BOARDS}
    assert windows == dict.fromkeys(("pi4", "pi5", "nano", "agx", "pc"), 1.0)
    assert replace(CASE, part="1hz").window_s == replace(CASE, part="1hz").judged_s == 5.0
    late = replace(CASE, part="late-1.3")
    assert (late.window_s, late.judged_s) == (1.0, pytest.approx(3.6))


def test_windows_are_means_over_the_stated_time() -> None:
    trace = traced([4.0] * 200 + [6.0] * 5 + [4.0] * 100)
    constants = Constants(scene_of(CASE, 10.0))
    begin = round(10 * constants.begin_s)
    assert constants.kept(trace, 5.0, 1.0)["ok"] == 1.0
    assert constants.kept(trace, 4.5, 1.0)["worst"] == pytest.approx(5.0 / 4.5)
    windows = 305 - begin - 9
    assert constants.kept(trace, 4.99, 1.0)["ok"] == pytest.approx(1 - 6 / windows)  # six of them


def test_the_time_far_over_the_cap_is_the_longest_one() -> None:
    trace = traced([4.0] * 50 + [6.0] * 20 + [4.0] * 50 + [6.0] * 30 + [5.1] * 50)
    assert far_s(trace, 5.0, 0.0, 0.1) == pytest.approx(3.0)
    assert far_s(trace, 6.0, 0.0, 0.1) == 0.0


def test_the_time_after_a_step_ends_with_the_last_window_over_the_cap() -> None:
    program = Program(others=((0.0, NOBODY), (10.0, Others(1.0)), (30.0, NOBODY)))
    calm = traced([4.0] * 400)
    assert step_s(calm, 5.0, 0.0, 1.0, program) == 0.0
    jump = traced([4.0] * 100 + [8.0] * 6 + [3.0] * 294)
    assert step_s(jump, 5.0, 0.0, 1.0, program) == pytest.approx(1.1)
    lasting = traced([4.0] * 100 + [8.0] * 300)
    assert step_s(lasting, 5.0, 0.0, 1.0, program) == pytest.approx(20.0)


def test_a_prediction_is_held_against_the_minute_it_was_made_for() -> None:
    trace = traced([5.0] * 600 + [10.0] * 600)
    assert prediction_errors(trace, [5.0] * 300 + [9.0] * 300) == [0.0, pytest.approx(0.1)]
    assert prediction_errors(trace, [None] * 600) == [1.0, 1.0]


def test_the_best_constant_choice_is_what_trying_all_of_them_finds() -> None:
    kind = replace(PI5, cores=2, steps_hz=(1.5e9, 1.9e9, 2.4e9))
    scene = replace(SCENE, figures=replace(SCENE.figures, kind=kind))
    constants = Constants(scene)
    cap_w = 0.75 * constants.full_w
    found = constants.best(cap_w)
    assert found is not None
    tried = [
        constants.trace(Setting(threads, hz, duty / 20))
        for threads in (1, 2)
        for hz in kind.steps_hz
        for duty in range(2, 21)
    ]
    keep = [t for t in tried if t.under(cap_w, constants.begin_s) >= KEPT]
    best = max(constants.work(trace) for trace in keep)
    assert 0.985 * best <= found.work_per_s <= 1.06 * best
    assert constants.trace(found.setting).under(cap_w, constants.begin_s) >= KEPT


def test_a_lower_clock_beats_a_lower_duty() -> None:
    constants = Constants(SCENE)
    found = constants.best(0.6 * constants.full_w)
    assert found is not None
    assert found.setting.clock_hz is not None
    assert found.setting.clock_hz < PI5.steps_hz[-1]


def test_without_the_knob_the_clock_stays_at_the_top() -> None:
    constants = Constants(SCENE)
    cap_w = 0.6 * constants.full_w
    found, best = constants.best(cap_w, knob=False), constants.best(cap_w)
    assert found is not None
    assert best is not None
    assert found.setting.clock_hz == PI5.steps_hz[-1]
    assert found.work_per_s < best.work_per_s


def test_the_rival_raises_its_duty_below_its_aim_and_lowers_it_above() -> None:
    def seen(power_w: float | None) -> Observation:
        return Observation(0.0, 0.2, power_w, None, None, None, 2, 0.1, 1, 1, 0, 0.0)

    rival = Integral(10.0, 2, 0.9, 32)
    first = rival.step(seen(9.0)).duty
    assert rival.step(seen(None)).duty == first
    assert rival.step(seen(8.0)).duty > first
    assert rival.step(seen(9.5)).duty > rival.step(seen(9.5)).duty
    lowest = [rival.step(seen(20.0)) for _ in range(50)][-1]
    assert (lowest.threads, lowest.duty, lowest.prefill_chunk) == (2, LEAST_DUTY, 32)


def test_the_oracle_finds_the_most_tokens_of_all_threads_and_aims_that_hold() -> None:
    case = replace(CASE, board="nano", knob=False)
    constants = Constants(scene_of(case, 30.0))
    cap_w, kept = 0.75 * constants.full_w, Kept(None, "")
    oracle = Oracle(constants, constants.scene, cap_w, 1.0)
    found = oracle.best(kept, "one", 1.0)
    assert found is not None
    assert found.values["ok"] >= HELD
    for threads in constants.likely_threads(cap_w):
        for aim in AIMS[::5]:
            control = Integral(cap_w, threads, aim, 64)
            trace = simulate(constants.scene, control.step)
            if constants.kept(trace, cap_w, 1.0)["ok"] >= HELD:
                assert constants.work(trace) <= 1.05 * found.values["work"]
    lenient = oracle.best(kept, "one", 0.5)
    assert lenient is not None
    assert lenient.values["work"] >= found.values["work"]


def test_results_without_a_governor_are_kept_for_the_next_benchmark(tmp_path: Path) -> None:
    made: list[str] = []

    def make() -> dict[str, float]:
        made.append("once")
        return {"work": 2.0}

    first = Kept(tmp_path, "scene")
    assert first.get("best", make) == {"work": 2.0}
    first.write()
    assert Kept(tmp_path, "scene").get("best", make) == {"work": 2.0}
    assert len(made) == 1
    assert Kept(tmp_path, "another").get("best", lambda: None) is None
    assert [file.parent.name for file in tmp_path.rglob("*.json")] == [sources()]


def test_a_case_is_judged_the_same_with_kept_results(tmp_path: Path) -> None:
    case = replace(CASE, knob=False)
    first, again = (evaluate([case], 20.0, tmp_path) for _ in range(2))
    assert first == again
    assert {"ok", "tokens", "rival"} <= set(first[0].values)


def test_a_fault_begins_and_ends_within_its_scene() -> None:
    case = replace(CASE, part="missing")
    constants = Constants(scene_of(case, 60.0))
    scene = disturbed(case, constants.scene, constants.full, constants.full_w)
    faults = [scene.program.fault_at(time_s) for time_s in (14.9, 15.0, 44.9, 45.1)]
    assert faults == [None, "missing", "missing", None]


def test_nothing_keeps_a_cap_below_what_the_board_draws_at_rest() -> None:
    constants = Constants(SCENE)
    assert constants.best(0.5 * min(constants.full.power_w)) is None


def test_a_run_is_the_same_each_time() -> None:
    first, again = (simulate(SCENE, constant(3, 0.7)) for _ in range(2))
    assert first == again


def test_others_draw_power_and_nobody_does_not() -> None:
    control = constant(4, 0.5)
    others = replace(cool(), others=((0.0, NOBODY), (8.0, Others(1.0)), (14.0, Others(rail_w=1.0))))
    alone, beside = (simulate(replace(SCENE, program=p), control) for p in (cool(), others))
    assert alone.power_w[:80] == beside.power_w[:80]
    assert sum(beside.power_w[80:140]) > sum(alone.power_w[80:140]) + 30.0
    assert sum(beside.power_w[140:]) == pytest.approx(sum(alone.power_w[140:]) + 60.0, abs=12.0)


def test_of_all_cases_means_and_worst_count_and_the_worst_are_named() -> None:
    outcomes = [
        Outcome(CASE, {"ok": 0.999, "tokens": 1.0, "used": 0.98, "rival": 1.1}, "good"),
        Outcome(replace(CASE, seed=1), {"ok": 0.99, "tokens": 0.9}, "bad"),
        Outcome(replace(CASE, board="agx"), {"ok": 1.0, "tokens": 0.8}, "orin"),
        Outcome(replace(CASE, part="hidden"), {"ok": 0.97, "step_s": 1.5, "rival": 0.9}, "hidden"),
        Outcome(replace(CASE, part="batch"), {"ok": 0.98, "tokens": 0.6}, "batch"),
        Outcome(replace(CASE, part="late-2.0"), {"ok": 0.96, "tokens": 0.7}, "late"),
        Outcome(
            replace(CASE, part="frozen-idle"), {"ok": 0.5, "far_s": 9.0, "refused": 0.1}, "ice"
        ),
    ]
    found = found_of(outcomes)
    assert found.values == {
        "plant_ok_mean": pytest.approx((0.999 + 0.99 + 1.0 + 0.97) / 4),
        "plant_ok_min": 0.97,
        "plant_tokens_mean": pytest.approx(0.9),
        "plant_tokens_min": 0.8,
        "plant_tokens_pi5": pytest.approx(0.95),
        "plant_tokens_orin": 0.8,
        "plant_used": 0.98,
        "vs_integral": pytest.approx(1.0),
        "vs_integral_hidden": 0.9,
        "batch_ok_min": 0.98,
        "batch_tokens_mean": 0.6,
        "late_ok_min": 0.96,
        "late_tokens_min": 0.7,
        "fault_far_s_max": 9.0,
        "fault_refused_max": 0.1,
        "plant_step_s_max": 1.5,
    }
    assert "plant_ok_min: hidden" in found.notes
    assert any(note.startswith("plain pi5 75% knob: n 2, ok 0.9945") for note in found.notes)
    assert found.details["plant"]


def test_a_compile_beside_governed_clocks_leaves_the_cap_and_the_requests_alone() -> None:
    constants = Constants(scene_of(replace(CASE, board="nano", seed=1), 90.0))
    cap_w = 0.6 * constants.full_w
    compiler = ((0.0, NOBODY), (20.0, Others(5.4, 0.8)), (80.0, NOBODY))
    scene = constants.scene
    scene = replace(scene, program=replace(scene.program, others=compiler))
    governor = governor_of(scene, BudgetConfig(power_w=cap_w), clock_steps(scene))
    admissions: list[str] = []

    def control(seen: Observation) -> Limits:
        admissions.append(governor.step(seen).admission)
        return governor.limits

    assert simulate(scene, control).under(cap_w, constants.begin_s, 1.0) >= 0.99
    assert admissions.count("open") >= 0.95 * len(admissions)


def test_a_day_has_work_and_rest_and_a_range_of_temperatures() -> None:
    looks = list(day(draw(PI5, 100), 0, 0.5))
    assert len(looks) == 1800
    idle = [look for look in looks if look.idle]
    assert 0.2 < len(idle) / len(looks) < 1.0
    assert max(look.temp_c for look in looks) > min(look.temp_c for look in looks) + 8.0
    busy_w = [look.power_w for look in looks if not look.idle]
    assert min(busy_w) > max(look.power_w for look in idle)


def test_the_growth_of_leakage_is_that_of_a_board_at_rest() -> None:
    truth = growth(draw(PI5, 100))
    assert 0.0 < truth.at_45_w < truth.at_70_w < 4.0 * truth.at_45_w


def test_leakage_counts_as_right_only_where_it_was_measured() -> None:
    learnt = [
        Learnt("pi5", 0.3, 0, 0.1, 0.05, True, True, ""),
        Learnt("pi5", 1.0, 0, 0.3, 0.03, False, True, ""),
        Learnt("pi5", 3.0, 0, 0.3, 0.01, False, True, ""),
        Learnt("agx", 0.3, 0, 0.0, 0.0, True, False, ""),
        Learnt("agx", 1.0, 0, 0.0, 0.0, True, False, ""),
    ]
    found = gathered(learnt)
    assert found["leak_measured"] == 0.6
    assert found["leak_right"] == pytest.approx(2 / 3)
    assert (found["leak_measured_agx"], found["leak_right_agx"]) == (0.0, 0.0)
    assert (found["leak_cover"], found["leak_cover_pi5"]) == (0.6, pytest.approx(1 / 3))


def test_a_board_is_given_the_growth_of_leakage_that_is_asked_for() -> None:
    for growth_w in (0.05, 0.5):
        assert growth(leaking(draw(AGX_ORIN, 100), growth_w)).watts == pytest.approx(growth_w)


def test_a_span_is_judged_by_the_leakage_that_its_board_really_has() -> None:
    (job,) = leak_jobs(quick=True, only="x3")
    found = learn(job, hours=0.01)  # too little to learn from
    prior = fit_leakage((), LeakagePrior(priors_of(load_profile(PI5.profile)).idle_w))
    assert not found.measured
    assert 2.4 <= job.truth <= 3.75
    assert found.error == pytest.approx(1.0 / job.truth - 1.0, abs=0.02)
    assert f"true {job.truth * prior.growth_w.middle:.2f} W" in found.note


@pytest.mark.slow
def test_the_short_form_runs_every_part_and_holds_what_the_whole_promises() -> None:
    lines: list[str] = []
    values = {**scenes_part(lines.append, Ask(quick=True)).values}
    values |= {**plant(lines.append, Ask(quick=True)).values}
    assert set(values) >= set(govern_plant_part.HEADLINE)
    assert len(lines) >= 60
    least = {
        "plant_ok_min": 0.98,
        "plant_tokens_mean": 0.93,
        "plant_tokens_min": 0.85,
        "plant_gpu_ok_min": 0.99,
        "clock_gain_60": 1.15,
        "hold_tokens_min": 0.95,
        "throttles_without": 1.0,
    }
    most = {"plant_step_s_max": 2.0, "power_error_max": 0.05, "throttles": 0.0}
    assert {name: values[name] for name in least if not values[name] >= least[name]} == {}
    assert {name: values[name] for name in most if not values[name] <= most[name]} == {}
