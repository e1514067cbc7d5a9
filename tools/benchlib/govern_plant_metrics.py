"""The figures of all cases on the second plant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchlib.govern_plant import Outcome
from benchlib.plant_cases import BOARDS, FAULTS, LATE

_STEADY = ("plain", "hidden", "1hz", "noisy", "varied")
_BREAKDOWN = ("ok", "ok_min", "tokens", "rival", "used")


@dataclass(frozen=True)
class Metric:
    """One figure of many cases: of their values named `figure`, the minimum, maximum or mean."""

    name: str
    figure: str
    of: Callable[[Sequence[float]], float]
    parts: Collection[str]
    boards: Collection[str] = tuple(BOARDS)

    def known(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes that count."""
        return [
            one
            for one in outcomes
            if one.case.part in self.parts
            and one.case.board in self.boards
            and self.figure in one.values
        ]


METRICS = (
    Metric("plant_ok_mean", "ok", fmean, _STEADY),
    Metric("plant_ok_min", "ok", min, _STEADY),
    Metric("plant_tokens_mean", "tokens", fmean, ("plain",)),
    Metric("plant_tokens_min", "tokens", min, ("plain",)),
    Metric("plant_tokens_pi5", "tokens", fmean, ("plain",), ("pi5",)),
    Metric("plant_tokens_orin", "tokens", fmean, ("plain",), ("nano", "agx")),
    Metric("plant_used", "used", fmean, ("plain",)),
    Metric("vs_integral", "rival", fmean, _STEADY),
    Metric("vs_integral_hidden", "rival", fmean, ("hidden",)),
    Metric("batch_ok_min", "ok", min, ("batch",)),
    Metric("batch_tokens_mean", "tokens", fmean, ("batch",)),
    Metric("late_ok_min", "ok", min, LATE),
    Metric("late_tokens_min", "tokens", min, LATE),
    Metric("fault_far_s_max", "far_s", max, FAULTS),
    Metric("fault_refused_max", "refused", max, FAULTS),
    Metric("deaf_ok_min", "ok", min, ("deaf",)),
    Metric("plant_step_s_max", "step_s", max, ("hidden",)),
    Metric("plant_gpu_ok_min", "ok", min, ("gpu",)),
    Metric("power_error_max", "power_error", max, ("hour",)),
    Metric("clock_gain_60", "gain", min, ("clock",)),
    Metric("hold_tokens_min", "hold", min, ("hold",)),
    Metric("throttles", "throttles", sum, ("hold", "heat")),
    Metric("throttles_without", "throttles_without", min, ("heat",)),
)


def values_of(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Each metric that some case tells of."""
    found: dict[str, float] = {}
    for metric in METRICS:
        known = [one.values[metric.figure] for one in metric.known(outcomes)]
        found |= {metric.name: metric.of(known)} if known else {}
    return found


def worst_of(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A note for each metric that a single case sets."""
    for metric in METRICS:
        known = metric.known(outcomes)
        if known and metric.of in (min, max):

            def value(one: Outcome, figure: str = metric.figure) -> float:
                return one.values[figure]

            worst = min(known, key=value) if metric.of is min else max(known, key=value)
            yield f"{metric.name}: {worst.line}"


def breakdown(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines with the means of each part, board, cap and knob."""
    groups: dict[str, list[Mapping[str, float]]] = {}
    for one in outcomes:
        case = one.case
        if "ok" in one.values:
            label = f"{case.part} {case.board} {case.cap:.0%} {'knob' if case.knob else 'no-knob'}"
            values = {**one.values, "ok_min": one.values["ok"]}
            groups.setdefault(label, []).append(values)
    return [f"{label}: {_means(found)}" for label, found in sorted(groups.items())]


def _means(found: Sequence[Mapping[str, float]]) -> str:
    parts = [f"n {len(found)}"]
    for name in _BREAKDOWN:
        known = [values[name] for values in found if name in values]
        if known:
            mean = min(known) if name == "ok_min" else fmean(known)
            parts.append(f"{name} {mean:.4f}" if "ok" in name else f"{name} {mean:.3f}")
    return ", ".join(parts)
