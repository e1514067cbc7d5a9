"""What a prediction starts from: a calibration, else the roofline of the board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_rt.core.routing import Basis
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.equation import EnergyEquation, Watts
from edge_rt.energy.prediction.roofline import (
    Ceilings,
    ModelShape,
    Roofline,
    Workload,
    decode_work,
    least_s,
    prefill_work,
)
from edge_rt.energy.prediction.runtime import Runtime

SCALED_RATIO = 0.3  # error to expect of a calibration for another number of threads
ROOFLINE_RATIO = 1.0  # and of ceilings: half or twice as long
_USUAL = 256  # tokens of the prompt, or of the context, where one power has to do for all


@dataclass(frozen=True)
class Hardware:
    """What is known before anything is measured; `ceilings` and `watts` are of all cores at work.

    `cores` is 1 where a GPU computes, since threads do not matter then.
    """

    cores: int
    ceilings: Ceilings
    watts: Watts | None = None

    def share(self, threads: int) -> float:
        """The share of the cores that `threads` keep busy."""
        return min(threads, self.cores) / self.cores

    def ceilings_of(self, threads: int) -> Ceilings:
        return self.ceilings.of(threads, self.cores)

    def watts_of(self, threads: int) -> Watts | None:
        return None if self.watts is None else self.watts.times(self.share(threads))


@dataclass(frozen=True)
class Base:
    """A model's seconds and watts with some number of threads; watts None: not known.

    `firm`: calibrated with just these threads. Errors to expect: `error_ratio` of the seconds,
    `energy_error_ratio` of the joules. `temp_c` is how warm the chip was with these watts.
    """

    times: Runtime | Roofline
    basis: Basis
    error_ratio: float
    energy_error_ratio: float
    watts: Watts | None
    firm: bool = False
    prefill_scale: float = 1.0
    decode_scale: float = 1.0
    overhead_s: float = 0.0
    temp_c: float | None = None

    def phases_s(self, prompt: int, cached: int, completion: int) -> tuple[float, float]:
        """Seconds of computing for the prompt and for the answer.

        The last token of a prompt is always computed, for there are no logits otherwise.
        """
        prompt = max(1, prompt)
        cached = min(max(0, cached), prompt - 1)
        prefill_s = self.times.prefill_s(prompt - cached, cached)
        decode_s = self.times.decode_s(prompt, completion)
        return self.prefill_scale * prefill_s, self.decode_scale * decode_s


class Bases:
    """Finds the best base for a model and a number of threads."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._shapes: dict[str, ModelShape] = {}
        self._calibrations: dict[tuple[str, int], ModelCalibration] = {}

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self._shapes)

    def know(self, model: str, shape: ModelShape, calibrations: Iterable[ModelCalibration]) -> None:
        """Take what is known of a model now, in place of anything known before."""
        self._shapes[model] = shape
        others = {key: c for key, c in self._calibrations.items() if key[0] != model}
        newest_last = sorted(calibrations, key=lambda c: c.calibrated_at)
        self._calibrations = others | {(model, c.threads): c for c in newest_last}

    def of(self, model: str, threads: int) -> Base | None:
        """The calibration for the nearest number of threads, else the roofline."""
        known = [c for (name, _), c in self._calibrations.items() if name == model]
        return self._calibrated(known, threads) if known else self.roofline(model, threads)

    def roofline(self, model: str, threads: int) -> Base | None:
        """What ceilings say, measured ones if there are any; None for a model that is not known."""
        shape = self._shapes.get(model)
        if shape is None:
            return None
        ceilings, watts = self._hardware.ceilings_of(threads), self._hardware.watts_of(threads)
        swept = [c for c in self._calibrations.values() if c.sweep is not None]
        if swept:
            found = _nearest(swept, threads)
            flop, moved, share = self._ratios(found.threads, threads)
            reached, by_equation = _by_sweep(shape, found)
            ceilings = Ceilings(reached.flop_per_s * flop, reached.byte_per_s * moved)
            watts = by_equation.times(share) if by_equation is not None else watts
        return Base(Roofline(shape, ceilings), "roofline", ROOFLINE_RATIO, ROOFLINE_RATIO, watts)

    def _calibrated(self, known: list[ModelCalibration], threads: int) -> Base:
        found = _nearest(known, threads)
        flop, moved, share = self._ratios(found.threads, threads)
        errors, draws, firm = found.errors, found.draws, found.threads == threads
        told = errors.median_ratio if errors.held_out_ratio is None else errors.held_out_ratio
        watts = None if draws is None else draws.watts.times(share)
        energy_told = ROOFLINE_RATIO if draws is None else draws.error_ratio
        energy_told = told if energy_told is None else energy_told
        return Base(
            times=found.promise,
            basis="calibrated",
            error_ratio=told if firm else max(told, SCALED_RATIO),
            energy_error_ratio=energy_told if firm else max(energy_told, SCALED_RATIO),
            watts=watts or self._hardware.watts_of(threads),
            firm=firm,
            prefill_scale=1.0 / flop,
            decode_scale=1.0 / moved,
            overhead_s=found.overhead_s,
            temp_c=draws and draws.temp_c,
        )

    def _ratios(self, before: int, threads: int) -> tuple[float, float, float]:
        """How FLOP, bytes and busy cores grow from one number of threads to another."""
        was, now = self._hardware.ceilings_of(before), self._hardware.ceilings_of(threads)
        share = self._hardware.share(threads) / self._hardware.share(before)
        return now.flop_per_s / was.flop_per_s, now.byte_per_s / was.byte_per_s, share


def _nearest(known: Iterable[ModelCalibration], threads: int) -> ModelCalibration:
    """Return the calibration with the nearest number of threads, the newest of several."""
    return min(known, key=lambda c: (abs(c.threads - threads), -c.calibrated_at.timestamp()))


def _by_sweep(shape: ModelShape, found: ModelCalibration) -> tuple[Ceilings, Watts | None]:
    """The measured ceilings, and what the energy equation tells of a model not calibrated."""
    sweep = found.sweep
    assert sweep is not None
    reached = Ceilings(sweep.flop_per_s, sweep.byte_per_s)
    equation = sweep.equation
    if equation is None:
        return reached, None
    # Without a figure for idle, what flows anyway is all that is not switching.
    idle_w = equation.static_w if found.draws is None else found.draws.idle_w
    prefill = _mean_w(equation, prefill_work(shape, _USUAL), reached)
    decode = _mean_w(equation, decode_work(shape, _USUAL), reached)
    return reached, Watts.of_totals(idle_w, prefill, decode)


def _mean_w(equation: EnergyEquation, work: Workload, ceilings: Ceilings) -> float:
    seconds = least_s(work, ceilings)
    return equation.energy_j(work, seconds) / seconds
