"""What the router picks of two variants by calibrations, against what was measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from statistics import fmean, median

from benchlib.pair import KV_TYPE, variant
from benchlib.pair_answers import Answer, Clock, WarmBoard
from benchlib.pair_rounds import Found
from edge_rt.board_model.rates import Hardware, Rates
from edge_rt.board_model.roofline import Ceilings
from edge_rt.config.schema import Engine
from edge_rt.core.limits import Limits
from edge_rt.core.routing import (
    SINGLE,
    LoadConfig,
    Prediction,
    Prefer,
    RequestTokens,
    RunConfig,
    Served,
    Unpredicted,
)
from edge_rt.energy.calibration.measurement import Measurement
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.calibration.result import calibration
from edge_rt.energy.prediction.forecaster import shape_of
from edge_rt.energy.prediction.predictor import BoardFigures, Predictor
from edge_rt.engine.protocol import Timings
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.choice.router import route

CALIBRATED_C = 55.0
NEAR = 0.05  # of the better one's figure: as good as it
_BOARD = BoardFigures(Hardware(1, Ceilings(1e9, 1e9)))  # every pick is of what is calibrated
_USABLE_BYTES = 8e9
_WIDE = 16  # copies of each variant, which with two thread counts make 64 candidates


@dataclass(frozen=True)
class Point:
    """What is asked for, and how: with just these threads, on a board that has `temp_c`."""

    prompt_tokens: int
    completion_tokens: int
    threads: int
    temp_c: float


@dataclass(frozen=True)
class Took:
    """An answer in seconds, and the joules that it adds."""

    seconds: float
    energy_j: float


@dataclass(frozen=True)
class Case:
    """One point: what each variant took and was predicted to take, and which was picked."""

    point: Point
    took: Mapping[str, Took]
    foretold: Mapping[str, Took]
    thriftiest: str  # picked where joules count
    fastest: str  # and where seconds do

    @property
    def joules_near(self) -> bool:
        """Whether what was picked for its joules has few enough."""
        return _near([took.energy_j for took in self.took.values()], self._thrifty.energy_j)

    @property
    def seconds_near(self) -> bool:
        """Whether what was picked for its seconds has few enough."""
        return _near([took.seconds for took in self.took.values()], self.took[self.fastest].seconds)

    @property
    def both_near(self) -> bool:
        """Whether what was picked for its joules has few enough of both."""
        fast = _near([took.seconds for took in self.took.values()], self._thrifty.seconds)
        return self.joules_near and fast

    def excess(self, name: str | None = None) -> float:
        """Joules beyond the better one's, relative to those: of a variant, or of the pick."""
        least = min(took.energy_j for took in self.took.values())
        return self.took[name or self.thriftiest].energy_j / least - 1.0

    @property
    def _thrifty(self) -> Took:
        return self.took[self.thriftiest]


def _near(values: Sequence[float], picked: float) -> bool:
    return picked <= min(values) * (1.0 + NEAR)


def calibrate(
    entry: ModelRecord, threads: int, found: Found, board: WarmBoard, temp_c: float = CALIBRATED_C
) -> ModelCalibration:
    """Return the calibration that `edge-rt calibrate` would make of one side's answers."""
    made = [
        _measured(one, board, temp_c)
        for (name, count, _), answers in found.items()
        if (name, count) == (entry.id, threads)
        for one in answers
    ]
    now = datetime.now(timezone.utc)
    return calibration(board.name, entry, LoadConfig(0, KV_TYPE), threads, made, None, now)


def _measured(made: Answer, board: WarmBoard, temp_c: float) -> Measurement:
    tokens = made.prompt_tokens, 0, len(made.until)
    parts = made.prefill, made.decode(len(made.until))
    drawn = board.draw(parts, temp_c)
    seconds = parts[0].seconds, parts[1].seconds
    return Measurement(
        timings=Timings(0.0, *seconds, *tokens),
        seconds=sum(seconds),
        served=Served(*tokens, *seconds, drawn.energy_j),
        prefill_j=drawn.added_j[0],
        decode_j=drawn.added_j[1],
        idle_w=drawn.idle_w,
        power_w=drawn.power_w,
        temp_c=temp_c,
        quality="measured",
    )


def best(answers: Sequence[Answer], point: Point, board: WarmBoard) -> Took:
    """What the fastest of some answers to the point's prompt took."""
    count = point.completion_tokens
    fastest = min(answers, key=lambda made: made.seconds(count))
    drawn = board.draw((fastest.prefill, fastest.decode(count)), point.temp_c)
    return Took(fastest.seconds(count), drawn.energy_j)


class Picker:
    """The router with what is known of both variants, on a board where both are loaded."""

    def __init__(
        self, entries: Sequence[ModelRecord], calibrations: Mapping[str, Sequence[ModelCalibration]]
    ) -> None:
        self._variants = [variant(entry) for entry in entries]
        self._predictor = Predictor(Rates())
        self._calibrations = calibrations
        self._shapes = {entry.id: shape_of(entry, Engine()) for entry in entries}
        for entry in entries:
            self._know(entry.id, entry.id)

    def foretold(self, name: str, point: Point) -> Took:
        """What a variant would take; of what is calibrated both are known."""
        found = self._predict(_setting(name, point.threads), _tokens(point))
        assert isinstance(found, Prediction)
        assert found.energy_j is not None
        return Took(found.seconds, found.energy_j)

    def pick(self, point: Point, prefer: Prefer) -> str:
        """The name of the variant that is chosen."""
        trace = route(*self._question(self._variants, point, prefer), self._predict)
        assert trace.chosen is not None
        return trace.chosen.setting.variant

    def pick_s(self, point: Point, clock: Clock = time.perf_counter) -> float:
        """Seconds that one choice takes, from the question to the trace."""
        return self._timed(self._variants, point, (point.threads,), clock)

    def wide_pick_s(self, point: Point, clock: Clock = time.perf_counter) -> float:
        """The same where there are 64 candidates, the variants being there many times."""
        variants = [
            replace(one, id=f"{one.id}-{n}") for one in self._variants for n in range(_WIDE)
        ]
        for one in variants:
            if one.id not in self._shapes:
                self._know(one.id, one.id.rpartition("-")[0])
        return self._timed(variants, point, (1, 2), clock)

    def _timed(
        self, variants: Sequence[Variant], point: Point, counts: Sequence[int], clock: Clock
    ) -> float:
        ask, pool, now = self._question(variants, point, "energy")
        now = replace(now, threads=counts)
        begin_s = clock()
        route(ask, pool, now, self._predict)
        return clock() - begin_s

    def _know(self, name: str, like: str) -> None:
        self._shapes[name] = self._shapes[like]
        self._predictor.know(name, self._shapes[like], _BOARD, self._calibrations[like])

    def _predict(self, setting: RunConfig, tokens: RequestTokens) -> Prediction | Unpredicted:
        counts = tokens.prompt, tokens.cached, tokens.completion
        return self._predictor.predict(setting.variant, setting.threads, *counts)

    def _question(
        self, variants: Sequence[Variant], point: Point, prefer: Prefer
    ) -> tuple[Ask, Sequence[Variant], Now]:
        ask = Ask(tokens={one.id: _tokens(point) for one in variants}, prefer=prefer)
        loaded = {one.id: LoadConfig(0, KV_TYPE) for one in variants}
        now = Now(Limits(2), (point.threads,), _USABLE_BYTES, loaded)
        return ask, variants, now


def _tokens(point: Point) -> RequestTokens:
    return RequestTokens(point.prompt_tokens, 0, point.completion_tokens)


def _setting(name: str, threads: int) -> RunConfig:
    return RunConfig(name, threads, 0, SINGLE, KV_TYPE)


def case(point: Point, took: Mapping[str, Took], picker: Picker) -> Case:
    """Ask the router, and put what came beside it."""
    foretold = {name: picker.foretold(name, point) for name in took}
    return Case(point, took, foretold, picker.pick(point, "energy"), picker.pick(point, "latency"))


def judge(cases: Sequence[Case], gguf: str, onnx: str) -> dict[str, float]:
    """The figures of all cases.

    A pick is right where the request's preference is served: at each point one request wants the
    fewest joules and one the fewest seconds, and `pick_ok_share` counts the points where what the
    first one gets is within NEAR of the better variant's joules *and* what the second one gets
    within NEAR of the better one's seconds. `pick_both_share` asks for more: that the pick for
    joules alone is as near in both, which no pick can be where one variant is faster and the
    other one thriftier. A regret is the mean of relative excess joules over the better variant.
    """
    pairs = [(c.foretold[name], took) for c in cases for name, took in c.took.items()]
    return {
        "pick_ok_share": fmean(c.joules_near and c.seconds_near for c in cases),
        "pick_both_share": fmean(c.both_near for c in cases),
        "regret_gguf": fmean(c.excess(gguf) for c in cases),
        "regret_onnx": fmean(c.excess(onnx) for c in cases),
        "regret_router": fmean(c.excess() for c in cases),
        "onnx_better_share": fmean(c.excess(onnx) == 0.0 for c in cases),
        "runtime_err_median": median(abs(f.seconds / t.seconds - 1.0) for f, t in pairs),
        "energy_err_median": median(abs(f.energy_j / t.energy_j - 1.0) for f, t in pairs),
    }
