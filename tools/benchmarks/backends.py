"""One model with llama.cpp and with onnxruntime, and what the router picks of the two."""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import click
from benchlib import BenchError, machine, pair_speeds
from benchlib.daemon import weights
from benchlib.pair import CONTEXT, GGUF, ONNX, entries, load
from benchlib.pair_answers import WarmBoard
from benchlib.pair_rounds import Found, Rounds
from benchlib.pair_speeds import Speed, speeds
from benchlib.picks import CALIBRATED_C, Case, Picker, Point, best, calibrate, case, judge
from benchlib.publish import console, show
from benchlib.report import Report
from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.signals import end_cleanly_on_signals

from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.calibration.timing import QUICK, TimingRun, runs
from edge_rt.models.record import ModelRecord

BOARD, SEED = "raspberry-pi-5", 0
TOLD = (32, 128, 512, 1024)  # tokens of the prompts whose speeds are told
COUNTS = (1, 2)  # threads
_NOTES = (
    "Both sides in one process, each answer right after the other's to the same prompt, through "
    "the backend protocol; who is first changes from round to round. What other processes "
    "disturb is done again while --wait lasts: disturbed_share was disturbed in the end.",
    f"Seconds are measured here; joules are those of a simulated {BOARD} whose cores are as busy, "
    f"calibrated at {CALIBRATED_C:.0f} °C, and asked for at other temperatures.",
    "pick_ok_share: points where a request for the fewest joules gets a variant within 5 % of the "
    "better one's joules, and one for the fewest seconds within 5 % of its seconds; "
    "pick_both_share: where the pick for joules is that near in both.",
    "regret_*: mean of excess joules over the better variant, of either one always and of the "
    "router's picks; pick_ms: one choice, pick_64_ms: one among 64 candidates.",
)


@dataclass(frozen=True)
class Amounts:
    """How much is measured: what is calibrated on, and prompts and answers that are held out."""

    training: Sequence[TimingRun]
    prompts: Sequence[int]
    answers: Sequence[int]
    temps_c: Sequence[float]
    rounds: int
    told: Sequence[int] = TOLD

    @property
    def held_out(self) -> list[TimingRun]:
        """One answer to each prompt tells of all shorter ones, too."""
        return [TimingRun(prompt, max(self.answers)) for prompt in self.prompts]


def amounts(quick: bool) -> Amounts:
    """What `edge-rt calibrate` does, and prompts and answers of other lengths than those."""
    lengths = TOLD if quick else (1, 16, 32, 64, 128, 256, 512, 1024)
    grid = runs(replace(QUICK, lengths=lengths), CONTEXT)[: len(lengths)]
    if quick:
        return Amounts(grid, (48, 380), (8, 64), (40.0, 70.0), rounds=2)
    return Amounts(grid, (24, 90, 200, 380, 800), (8, 32, 128), (40.0, 55.0, 70.0), rounds=3)


@click.command()
@click.option("--quick", is_flag=True, help="Fewer prompts and rounds: less than three minutes.")
@click.option("--format", "form", help="Quantise the GGUF anew first, to Q4_0, Q8_0, ...")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result here.")
@click.option(
    "--wait",
    default=20.0,
    show_default=True,
    help="Seconds to wait for a quiet machine before each round, and in each, at most.",
)
def command(quick: bool, form: str | None, json_file: Path | None, wait: float) -> None:
    """Measure SmolLM2 with llama.cpp and with onnxruntime, and what the router makes of it."""
    end_cleanly_on_signals()
    try:
        with tempfile.TemporaryDirectory(prefix="edge-rt-bench-") as directory:
            bench = _prepare(Path(directory), wait, form)
            bench.run(amounts(quick))
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    report, found = bench.report(), bench.speeds
    console().print(pair_speeds.table(found))
    show(report, json_file)


@dataclass
class Bench:
    """Both models, what was measured of them, and what became of that."""

    entries: Sequence[ModelRecord]
    rounds: Rounds
    board: WarmBoard
    say: Callable[[str], None]
    training: Found = field(default_factory=Found)
    held_out: Found = field(default_factory=Found)
    speeds: list[Speed] = field(default_factory=list[Speed])
    cases: list[Case] = field(default_factory=list[Case])
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    calibrations: Mapping[str, Sequence[ModelCalibration]] = field(
        default_factory=dict[str, Sequence[ModelCalibration]]
    )

    def run(self, how: Amounts) -> None:
        """Measure everything, then calibrate, ask and judge."""
        for number in range(1, how.rounds + 1):
            self.rounds.run(f"training {number}", how.training, COUNTS, self.training)
            self.rounds.run(f"held out {number}", how.held_out, COUNTS, self.held_out)
        self.speeds = speeds(self.training, how.told, COUNTS)
        self.calibrations = {
            entry.id: [calibrate(entry, t, self.training, self.board) for t in COUNTS]
            for entry in self.entries
        }
        picker = Picker(self.entries, self.calibrations)
        self.cases = [self._case(point, picker) for point in _points(how)]
        points = [one.point for one in self.cases]
        self.values = {
            **judge(self.cases, GGUF, ONNX),
            "pick_ms": 1e3 * median(picker.pick_s(point) for point in points),
            "pick_64_ms": 1e3 * median(picker.wide_pick_s(point) for point in points),
            "points": len(points),
            "disturbed_share": self.rounds.disturbed / self.rounds.pairs,
        }

    def report(self) -> Report:
        """What was found."""
        about = {"model": self.entries[0].summary.name, "simulated": f"{BOARD} {SEED}"}
        about["formats"] = ", ".join(entry.summary.quantisation for entry in self.entries)
        return Report(
            name="backends",
            commit=machine.commit(CHECKOUT),
            machine={**machine.describe(), **about},
            samples=self.rounds.samples,
            rows=[],
            values=self.values,
            ratios=pair_speeds.ratios(self.speeds),
            notes=_NOTES,
            details={
                "speeds": [speed.details() for speed in self.speeds],
                "cases": [asdict(one) for one in self.cases],
                "runtime_errors": {
                    f"{name} {one.threads}": one.errors.median_ratio
                    for name, found in self.calibrations.items()
                    for one in found
                },
            },
        )

    def _case(self, point: Point, picker: Picker) -> Case:
        took = {
            entry.id: best(
                self.held_out[entry.id, point.threads, point.prompt_tokens], point, self.board
            )
            for entry in self.entries
        }
        return case(point, took, picker)


def _points(how: Amounts) -> list[Point]:
    return [
        Point(prompt, answer, threads, temp_c)
        for prompt in how.prompts
        for answer in how.answers
        for threads in COUNTS
        for temp_c in how.temps_c
    ]


def _prepare(directory: Path, wait: float, form: str | None) -> Bench:
    def say(line: str) -> None:
        click.echo(line, err=True)

    cache = cache_dir()
    gguf = weights(Path(sys.executable).with_name("edge-rt"), cache / "store")
    both = entries(gguf, cache, directory / "store", form)
    sides = [load(entry, threads=COUNTS[0]) for entry in both]
    rounds = Rounds(sides, wait, say, random.Random(SEED))
    return Bench(both, rounds, WarmBoard(BOARD, SEED), say)
