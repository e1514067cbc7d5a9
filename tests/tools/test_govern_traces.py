"""How recorded traces are read, split and held against models, with traces of our own."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from benchlib import BenchError
from benchlib.govern import Ask
from benchlib.govern_traces import HEADLINE, traces
from benchlib.trace_heat import forecasts, heat_errors
from benchlib.trace_power import errors, steps
from benchlib.traces import Conditions, Phase, Recorded, Traces

from edge_rt.config.board import Board

FIELDS = (
    *("file", "board", "mode", "load", "columns", "load_begin_s", "load_end_s"),
    *("markers", "figures"),
)
ORIN = "Jetson AGX Orin 64 GB dev kit"


def write(folder: Path, name: str, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    with gzip.open(folder / name, "wt", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def llm(folder: Path, number: int, mode: str, watts: tuple[float, float, float]) -> dict[str, str]:
    """60 s of rest, 12 s of loading, 18 s of a prompt, 20 s of an answer, a minute of rest."""
    name, (rest, prompt, answer) = f"llm_{number}.csv.gz", watts
    spans = ((0.0, rest), (62.0, 0.7 * rest + 0.3 * answer), (74.0, prompt), (92.0, answer))

    def at(time_s: float) -> float:
        return next((w for begin, w in reversed(spans) if begin <= time_s < 112.0), rest)

    write(folder, name, ("t_s", "sum3_w"), [(k / 10, at(k / 10)) for k in range(1720)])
    marks = {"idle_pre_start": 2.0, "cmd_start": 62.0, "cmd_end": 113.0, "idle_post_end": 172.0}
    return {
        "file": name,
        "board": ORIN,
        "mode": mode,
        "load": f"60 s idle, llama-speculative model {number}",
        "columns": "t_s sum3_w",
        "markers": json.dumps(marks),
        "figures": json.dumps({"decode_s": 20.0, "prefill_mean_w": prompt}),
    }


def mlperf(folder: Path, name: str, mode: str, rest: float, load: float) -> dict[str, str]:
    rows = [(float(t), rest + (load - rest) * (20 <= t < 80)) for t in range(90)]
    write(folder, name, ("t_s", "wall_w"), rows)
    return {
        "file": name,
        "board": "Jetson AGX Xavier",
        "mode": f"Power mode: {mode}; Fan mode: cool",
        "load": "MLPerf Inference v1.1 Krai closed resnet50 offline (run_1)",
        "columns": "t_s wall_w",
        "load_begin_s": "20",
        "load_end_s": "80",
    }


def meter(folder: Path, board: str, load: str, watts: float) -> dict[str, str]:
    name = f"tc66_rpi4_{'idle' if load == 'idle' else load}.csv.gz"
    write(folder, name, ("t_s", "usb_in_w"), [(float(t), watts) for t in range(40)])
    about = load if load == "idle" else f"YOLO26 tracking inference {load}"
    return {"file": name, "board": board, "load": about, "columns": "t_s usb_in_w"}


def heat(folder: Path) -> dict[str, str]:
    temp_c, rows = 40.0, list[tuple[float, float, float]]()
    for second in range(1500):
        share = 100.0 * (second // 90 % 2)
        temp_c += (40.0 + 0.3 * share - temp_c) / 40.0
        rows.append((float(second), share, round(temp_c, 1)))
    write(folder, "pi3b_minmax_1.csv.gz", ("t_s", "cpu_util_pct", "soc_temp_c"), rows)
    return {"file": "pi3b_minmax_1.csv.gz", "board": "Raspberry Pi 3B", "columns": "t_s"}


def indexed(folder: Path, *entries: Mapping[str, str]) -> Traces:
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="")
        writer.writeheader()
        writer.writerows(entries)
    return Traces(folder)


def test_a_folder_without_an_index_is_told() -> None:
    with pytest.raises(BenchError, match="no index"):
        Traces(Path("/nowhere"))


def test_without_a_folder_nothing_is_measured() -> None:
    found = traces(lambda _: None, Ask(quick=True))
    assert found.values == {}
    assert "--traces" in found.notes[0]


def test_a_trace_of_answers_has_rest_prompt_answer_and_rest(tmp_path: Path) -> None:
    (one,) = indexed(tmp_path, llm(tmp_path, 1, "MAXN", (11.0, 44.0, 38.0))).power()
    assert [phase.name for phase in one.phases] == ["rest", "prompt", "answer", "rest"]
    assert [phase.mean_w for phase in one.phases] == pytest.approx([11.0, 44.0, 38.0, 11.0])
    assert [phase.at.prompts for phase in one.phases] == [0.0, 1.0, 0.0, 0.0]
    assert [phase.at.busy for phase in one.phases] == [0.0, 1.0, 1.0, 0.0]
    assert one.phases[0].dt_s == pytest.approx(0.1)


def test_a_mode_sets_cores_and_clocks(tmp_path: Path) -> None:
    found = indexed(
        tmp_path,
        llm(tmp_path, 1, "MODE_30W stock clocks", (9.0, 14.0, 18.0)),
        mlperf(tmp_path, "a.csv.gz", "MODE_15W", 7.0, 8.0),
        mlperf(tmp_path, "b.csv.gz", "MAXN", 7.0, 22.0),
    ).power()
    orin, slow, full = (one.phases[1].at for one in found)
    assert (orin.threads, orin.gpu) == (8, pytest.approx(0.47, abs=0.01))
    assert (slow.threads, slow.gpu) == (4, None)
    assert slow.cpu < 0.6 < full.cpu == 1.0
    assert found[1].group == found[2].group
    assert [round(phase.mean_w, 3) for phase in found[2].phases] == [7.0, 22.0]


def test_a_load_follows_the_rest_of_its_own_board(tmp_path: Path) -> None:
    board = "Raspberry Pi 4 4 GB (CPU, NCNN)"
    loads = [("idle", 2.9), ("yolo26l_640_rep00", 4.9), ("yolo26s_640_rep00", 5.1)]
    found = indexed(tmp_path, *(meter(tmp_path, board, *load) for load in loads)).power()
    assert [one.unit for one in found] == ["l", "s"]
    assert [one.phases[0].mean_w for one in found] == pytest.approx([2.9, 2.9])


def test_a_gpu_that_tells_its_load_is_at_rest_and_at_work(tmp_path: Path) -> None:
    rows = [(k / 10, 6.0 + 15.0 * (k >= 300), 99.0 * (k >= 300)) for k in range(600)]
    write(tmp_path, "vlm.csv.gz", ("t_s", "in_w", "gpu_util_pct"), rows)
    entry = {"file": "vlm.csv.gz", "board": "Jetson Orin Nano 8 GB Super", "mode": "MAXN_SUPER"}
    (one,) = indexed(tmp_path, {**entry, "columns": "t_s in_w gpu_util_pct"}).power()
    assert [(phase.at.busy, phase.mean_w) for phase in one.phases] == [(0.0, 6.0), (1.0, 21.0)]


class Blind:
    """A model that remembers the power of every phase that it learns from."""

    def __init__(self, _board: Board) -> None:
        self.seen: list[float] = []

    def learn(self, at: Conditions, dt_s: float, power_w: float) -> None:
        self.seen.append(power_w)

    def predict(self, at: Conditions) -> float:
        return max(self.seen)


def trace(unit: str, rest: float, *watts: float, noise: float = 0.0) -> Recorded:
    def of(mean: float) -> tuple[float, ...]:
        return (mean * (1.0 + noise), mean * (1.0 - noise)) * 10

    phases = [Phase("rest", Conditions(4, busy=0.0), 1.0, of(rest))]
    phases += [Phase("load", Conditions(4), 1.0, of(each)) for each in watts]
    return Recorded("raspberry-pi-4b", "a Pi", unit, tuple(phases))


def test_no_watts_of_an_unknown_load_are_seen_before_they_are_predicted() -> None:
    found = steps([trace("low", 2.0, 4.0), trace("high", 2.0, 8.0, 9.0)], Blind)
    told = {(one.unit, one.true_w): one.told_w for one in found}
    assert told == {("low", 4.0): 9.0, ("high", 8.0): 4.0, ("high", 9.0): 8.0}
    assert [one.last_w for one in found if one.unit == "high"] == [2.0, 8.0]


def test_a_unit_counts_once_however_many_traces_it_has() -> None:
    many = [trace("low", 2.0, 4.0)] * 9
    error, over_last = errors(steps([*many, trace("high", 2.0, 8.0)], Blind))
    assert error == pytest.approx((1.0 + 0.5) / 2)
    assert over_last == pytest.approx(0.75 / ((0.5 + 0.75) / 2))


def test_a_model_that_knows_a_board_predicts_its_other_loads() -> None:
    loads = {"a": 6.0, "b": 6.2, "c": 5.8}
    found = steps([trace(name, 3.0, watts, noise=0.01) for name, watts in loads.items()])
    assert errors(found)[0] < 0.08
    assert all(one.told_w > 5.0 for one in found)


def test_heat_is_forecast_better_than_by_the_last_value(tmp_path: Path) -> None:
    ((name, series),) = indexed(tmp_path, heat(tmp_path)).heat()
    found = forecasts(name, series)
    error_k, over_last = heat_errors([found])
    assert error_k < 2.0
    assert over_last < 0.6


def cells(folder: Path) -> None:
    """A table of means of two models."""
    names = ("framework", "model", "quantization", "prompt_tokens", "gen_tokens", "ttft_ms")
    names += ("decode_tps", "idle_total_mw", "pp_total_mw", "dec_total_mw", "dec_gpu_util")
    rows: list[Sequence[object]] = []
    for model, watts in (("one", 30.0), ("two", 40.0)):
        for kelvins in range(6):
            idle_mw, work_mw = 11e3 + 20 * kelvins, 1e3 * watts + 100 * kelvins
            row = ("llamacpp", model, "Q4", 128, 128, 50, 20, idle_mw, "", work_mw, 90)
            rows.append((*row, 50 + kelvins))
    with gzip.open(folder / "agxorin32_llm_cells.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows([(*names, "dec_gpu_temp"), *rows])


def test_all_figures_come_of_a_folder_that_has_everything(tmp_path: Path) -> None:
    cells(tmp_path)
    loads = [("MAXN", (11.0, 44.0, 38.0)), ("MAXN", (11.0, 46.0, 40.0))]
    entries = [llm(tmp_path, n, *load) for n, load in enumerate(loads)]
    indexed(tmp_path, *entries, heat(tmp_path))
    lines: list[str] = []
    found = traces(lines.append, Ask(quick=True, traces=tmp_path))
    assert set(found.values) == set(HEADLINE)
    assert any(line.startswith("Jetson AGX Orin 32 GB: ") for line in lines)
