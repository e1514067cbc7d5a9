"""The constant setting of threads, clock and duty with the highest throughput within a cap.

Each pair of threads and clock is run once at full duty for a scene. For each cap, duties are then
searched for those pairs alone that may still be the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from benchlib.plant_engine import PlantEngine
from benchlib.plant_run import Scene, constant, simulate
from benchlib.trace import Trace

SETTLED_S = 5.0  # after the first request, when runs begin to count
KEPT = 0.995  # share of the windows that has to be within the cap
_SCREEN_S = 40.0  # least length of a short run,
_REQUESTS = 6.0  # which has at least so many requests at full speed
_CLOCKS = 8  # tried at first; the neighbours of the best one follow
_COUNTS = (1, 2, 3, 4, 6, 8, 10, 12)  # threads
_SLACK = 1.02  # error that is allowed for in an upper bound
_LEAST = 0.02  # lowest duty
_CLOSE = 0.01  # precision of a duty
_PIECE_S = 0.15  # length of passes that read prompts, where the engine rests
_ROWS = 64  # of a pass whose time tells their length


@dataclass(frozen=True)
class Setting:
    """A constant setting."""

    threads: int
    clock_hz: float | None  # of the processor, or of the GPU where the model is there
    duty: float


@dataclass(frozen=True)
class Best:
    """The best setting and its throughput in tokens a second."""

    setting: Setting
    work_per_s: float


@dataclass(frozen=True)
class _Screened:
    setting: Setting
    work_per_s: float
    mean_w: float


class Constants:
    """Constant settings of one scene; all caps share its runs."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.prompt_cost = prompt_cost(scene)
        self._screened: dict[Setting, _Screened] = {}
        self._traces: dict[tuple[Setting, float], Trace] = {}
        self.full = self.trace(Setting(scene.figures.kind.cores, None, 1.0))

    @property
    def begin_s(self) -> float:
        """The time from which on runs count."""
        return self.scene.idle_s + SETTLED_S

    @cached_property
    def full_w(self) -> float:
        """Mean power without a governor and without pauses between requests."""
        if not self.scene.work.pause_s:
            return self.full.mean_w(self.begin_s)
        steady = replace(self.scene, work=replace(self.scene.work, pause_s=0.0))
        return Constants(steady).full_w

    def trace(self, setting: Setting, seconds: float | None = None) -> Trace:
        """A run of the scene, or of its first part; each is run once."""
        key = setting, self.scene.seconds if seconds is None else seconds
        if key not in self._traces:
            self._traces[key] = self._run(setting, replace(self.scene, seconds=key[1]))
        return self._traces[key]

    @property
    def short_s(self) -> float:
        """Length of a short run, which is typical of the whole scene."""
        enough_s = max(_SCREEN_S, _REQUESTS * request_s(self.scene))
        return min(self.scene.seconds, self.begin_s + enough_s)

    def work(self, trace: Trace) -> float:
        """Tokens a second once settled; those of prompts count for what they cost at full speed."""
        return trace.work_per_s(self.prompt_cost, self.begin_s)

    def kept(self, trace: Trace, cap_w: float, window_s: float) -> dict[str, float]:
        """The share of the windows within the cap, the worst window over the cap, and the mean."""
        return {
            "ok": trace.under(cap_w, self.begin_s, window_s),
            "worst": max(trace.windows_w(self.begin_s, window_s)) / cap_w,
            "mean": trace.mean_w(self.begin_s) / cap_w,
        }

    def best(self, cap_w: float, window_s: float = 1.0, knob: bool = True) -> Best | None:
        """The fastest setting that keeps the cap in KEPT of the windows; None where none does.

        Without the knob, the clock stays at its top.
        """

        def keeps(trace: Trace) -> bool:
            return trace.under(cap_w, self.begin_s, window_s) >= KEPT

        clocks = self._clocks()
        if not knob:
            return self._among([clocks[-1]], cap_w, keeps, None)
        found = self._among(_spread(clocks, _CLOCKS), cap_w, keeps, None)
        if found is None or found.setting.clock_hz is None:
            return found
        place = clocks.index(found.setting.clock_hz)
        near = clocks[max(0, place - 2) : place + 3]
        return self._among(near, cap_w, keeps, found)

    def _clocks(self) -> Sequence[float]:
        kind = self.scene.figures.kind
        gpu = kind.gpu if self.scene.on_gpu else None
        return kind.steps_hz if gpu is None else gpu.steps_hz

    def _among(
        self,
        clocks: Sequence[float],
        cap_w: float,
        keeps: Callable[[Trace], bool],
        best: Best | None,
    ) -> Best | None:
        """The best of `best` and of these clocks with all thread counts, the likeliest first."""
        rest_w = self._rest_w()
        for bound, one in self._bounds(clocks, cap_w):
            if best is not None and bound * _SLACK <= best.work_per_s:
                break
            duty = self._highest_duty(one.setting, _duty(one, cap_w, rest_w), keeps)
            if duty > 0.0:
                setting = replace(one.setting, duty=duty)
                work = self.work(self.trace(setting))
                if best is None or work > best.work_per_s:
                    best = Best(setting, work)
        return best

    def likely_threads(self, cap_w: float) -> list[int]:
        """Thread counts at the top clock, the likeliest to be the best under a cap first."""
        found = self._bounds(self._clocks()[-1:], cap_w)
        return [one.setting.threads for _, one in found]

    def _bounds(self, clocks: Sequence[float], cap_w: float) -> list[tuple[float, _Screened]]:
        """The most work that each pair may do under a cap, the most first."""
        screened, rest_w = [self._screen(pair) for pair in self._pairs(clocks)], self._rest_w()
        bounds = [(one.work_per_s * _duty(one, cap_w, rest_w), one) for one in screened]
        return sorted(bounds, key=lambda pair: -pair[0])

    def _pairs(self, clocks: Sequence[float]) -> Iterator[Setting]:
        cores = self.scene.figures.kind.cores
        counts = (1,) if self.scene.on_gpu else [n for n in _COUNTS if n <= cores]
        for clock_hz in clocks:
            for threads in counts:
                yield Setting(threads, clock_hz, 1.0)

    def _screen(self, setting: Setting) -> _Screened:
        if setting not in self._screened:
            trace = self.trace(setting, self.short_s)
            mean_w = trace.mean_w(self.begin_s)
            self._screened[setting] = _Screened(setting, self.work(trace), mean_w)
        return self._screened[setting]

    def _rest_w(self) -> float:
        """Power before the first request, a little less than between two passes."""
        return min(self.full.power_w[: round(self.scene.idle_s * 10)])

    def _highest_duty(
        self, setting: Setting, likely: float, keeps: Callable[[Trace], bool]
    ) -> float:
        """The highest duty for which `keeps` holds, or 0; power rises with the duty.

        It is searched for in short runs, and then lowered until it holds in the whole scene.
        """

        def kept(duty: float, seconds: float) -> bool:
            return keeps(self.trace(replace(setting, duty=duty), seconds))

        low, high = 0.0, min(1.0, likely * _SLACK)
        if kept(high, self.short_s):
            low = high
        while high - low > _CLOSE:
            middle = max(0.5 * (low + high), 0.9 * high)
            low, high = (middle, high) if kept(middle, self.short_s) else (low, middle)
            if high < _LEAST:
                return 0.0
        while low > _LEAST and not kept(low, self.scene.seconds):
            low -= _CLOSE
        return low if low > _LEAST else 0.0

    def _run(self, setting: Setting, scene: Scene) -> Trace:
        engine = PlantEngine(scene.figures, scene.work, scene.seed, 0.0, scene.on_gpu)
        clocks = scene.figures.kind
        cpu_hz = gpu_hz = None
        if setting.clock_hz is not None:
            engine.clock = setting.clock_hz / clocks.steps_hz[-1]
            if scene.on_gpu:
                gpu_hz, engine.clock = setting.clock_hz, 1.0
                assert clocks.gpu is not None
                engine.gpu_clock = gpu_hz / clocks.gpu.steps_hz[-1]
            else:
                cpu_hz = setting.clock_hz
        chunk = chunk_of(scene, setting.threads, engine) if setting.duty < 1.0 else 0
        return simulate(scene, constant(setting.threads, setting.duty, cpu_hz, gpu_hz, chunk))


def chunk_of(scene: Scene, threads: int, engine: PlantEngine | None = None) -> int:
    """Tokens of a prompt that one pass of `_PIECE_S` reads; `engine` has clocks below the top."""
    engine = engine or PlantEngine(scene.figures, scene.work, scene.seed, 0.0, scene.on_gpu)
    return max(8, int(_PIECE_S * _ROWS / engine.seconds(_ROWS, threads)))


def prompt_cost(scene: Scene) -> float:
    """Time of a prompt's token at full speed over that of an answer's, for one stream."""
    engine = PlantEngine(scene.figures, scene.work, scene.seed, 0.0, scene.on_gpu)
    cores, rows = scene.figures.kind.cores, 128
    streams = scene.work.streams
    return engine.seconds(rows, cores) / rows / (engine.seconds(streams, cores) / streams)


def request_s(scene: Scene) -> float:
    """About the seconds of a request at full speed, without others."""
    engine = PlantEngine(scene.figures, scene.work, scene.seed, 0.0, scene.on_gpu)
    cores, rows, work = scene.figures.kind.cores, 128, scene.work
    reading_s = work.prompt_tokens / rows * engine.seconds(rows, cores)
    return work.pause_s + reading_s + work.answer_tokens * engine.seconds(1, cores)


def _duty(one: _Screened, cap_w: float, rest_w: float) -> float:
    """The duty that its mean power would allow."""
    return min(1.0, max(0.0, (cap_w - rest_w) / max(1e-6, one.mean_w - rest_w)))


def _spread(values: Sequence[float], count: int) -> list[float]:
    """About `count` of the values, the ends included."""
    if len(values) <= count:
        return list(values)
    last = len(values) - 1
    return [values[round(n * last / (count - 1))] for n in range(count)]
