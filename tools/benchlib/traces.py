"""Recorded traces of real boards: a folder of CSV files and its index, as runs of phases.

The folder has `index.csv`, one gzipped CSV for each trace, and `agxorin32_llm_cells.csv.gz`, a
table of means. Nothing of it belongs to the project; without the folder nothing is measured.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from benchlib import BenchError

Row = Mapping[str, str]

_CELLS = "agxorin32_llm_cells.csv.gz"
_CELLS_BOARD, _CELLS_PROFILE = "Jetson AGX Orin 32 GB", "jetson-agx-orin-64gb"
_REST_S = 5.0  # of the calmest stretch before a load
_EDGE_S, _LONG_S = 1.0, 20.0  # left out at both ends of a phase; used of a phase at most
_AFTER_S = 20.0  # after a command, until the board is at rest
_LOADING = 0.45  # share of the time until answers that goes to loading the model
_READS_S = 3.0  # shortest time for a prompt whose power a meter of one reading a second shows
_BUSY_PCT = 90.0  # of a GPU at work
_TABLE_S = 20  # for which a mean is repeated
# Cores, and clocks of CPU and GPU as shares of the top ones, as NVIDIA documents the modes.
_MODES: Mapping[str, tuple[int, float, float]] = {
    "MODE_15W": (4, 1.2 / 2.27, 0.49),
    "MODE_30W_ALL": (8, 1.2 / 2.27, 0.65),
    "MODE_30W_6CORE": (6, 1.45 / 2.27, 0.65),
    "MODE_30W_4CORE": (4, 1.78 / 2.27, 0.65),
    "MODE_30W stock": (8, 1.73 / 2.2, 0.612 / 1.3),
}


@dataclass(frozen=True)
class Conditions:
    """What a model of the board may know of a phase.

    `threads` work on cores with a clock of the share `cpu` of its top; `gpu` is the same of the
    GPU, None where the work is not there. `busy` is the share of the time at work, `prompts` the
    share of that which computes in batches, as prompts are read.
    """

    threads: int
    cpu: float = 1.0
    gpu: float | None = None
    busy: float = 1.0
    prompts: float = 0.0


@dataclass(frozen=True)
class Phase:
    """Readings every `dt_s` under the same conditions."""

    name: str
    at: Conditions
    dt_s: float
    watts: tuple[float, ...]

    @property
    def mean_w(self) -> float:
        """Mean power."""
        return fmean(self.watts)


@dataclass(frozen=True)
class Recorded:
    """One trace: a board of one set-up, in a mode, with a load; rest comes first."""

    board: str
    group: str
    unit: str  # mode and load
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class _Setup:
    """Boards whose names begin alike: the product's profile, and cores."""

    board: str
    profile: str
    cores: int


_SETUPS = (
    _Setup("Jetson AGX Orin", "jetson-agx-orin-64gb", 12),
    _Setup("Jetson AGX Xavier", "jetson-agx-xavier", 8),
    _Setup("Jetson Xavier NX", "jetson-xavier-nx", 6),
    _Setup("Jetson Nano", "jetson-nano-4gb", 4),
    _Setup("Jetson Orin Nano", "jetson-orin-nano-super-8gb", 6),
    _Setup("Raspberry Pi 4", "raspberry-pi-4b", 4),
    _Setup("Raspberry Pi 5", "raspberry-pi-5", 4),
)


class Traces:
    """A folder of traces."""

    def __init__(self, folder: Path) -> None:
        """Raises BenchError where there is no index."""
        self._folder = folder
        if not (folder / "index.csv").is_file():
            raise BenchError(f"{folder} has no index.csv: it holds no recorded traces")
        with (folder / "index.csv").open(newline="") as file:
            self.index = list(csv.DictReader(file))

    def rows(self, name: str) -> list[Row]:
        """The rows of one trace; none where its file is missing."""
        path = self._folder / name
        if not path.is_file():
            return []
        with gzip.open(path, "rt", newline="") as file:
            return list(csv.DictReader(file))

    def power(self) -> list[Recorded]:
        """Return all traces with watts, in the order of the index."""
        found = [*self._llm(), *self._gpu(), *self._mlperf(), *self._meter(), *self._cells()]
        return [one for one in found if all(len(phase.watts) > 1 for phase in one.phases)]

    def heat(self) -> Iterator[tuple[str, list[tuple[float, float, float]]]]:
        """Name, and time, share of the processor and °C at each second, of boards without watts."""
        for entry in self.index:
            if entry["board"].startswith("Raspberry Pi 3B"):
                rows = self.rows(entry["file"])
                names = ("t_s", "cpu_util_pct", "soc_temp_c")
                whole = [row for row in rows if all(row[name] for name in names)]
                known = [tuple(float(row[name]) for name in names) for row in whole]
                yield entry["file"].split(".")[0], [(t, share / 100.0, c) for t, share, c in known]

    def _llm(self) -> Iterator[Recorded]:
        """Idle, prompt (where it is long), answer, idle."""
        for entry in self.index:
            marks, figures = _loads(entry["markers"]), _loads(entry["figures"])
            if "cmd_end" not in marks or not (rows := self._series(entry, "sum3_w")):
                continue
            setup, (cores, cpu, gpu) = _setup(entry)
            decode_s = marks["cmd_end"] - 1.0 - figures["decode_s"]
            reads_s = marks["cmd_start"] + _LOADING * (decode_s - marks["cmd_start"])
            at = Conditions(cores, cpu, gpu, busy=0.0)
            long = "prefill_mean_w" in figures
            spans = [("rest", 0.0, 0.0, marks["idle_pre_start"], marks["cmd_start"])]
            spans += [("prompt", 1.0, 1.0, reads_s, decode_s)] if long else []
            spans += [
                ("answer", 1.0, 0.0, decode_s, marks["cmd_end"] - 1.0),
                ("rest", 0.0, 0.0, marks["cmd_end"] + _AFTER_S, marks["idle_post_end"]),
            ]
            phases = tuple(
                _phase(rows, name, Conditions(at.threads, cpu, gpu, busy, prompts), begin, end)
                for name, busy, prompts, begin, end in spans
            )
            load = entry["load"].split("llama-speculative ")[-1]
            yield Recorded(setup.profile, entry["board"], f"{entry['mode']} {load}", phases)

    def _gpu(self) -> Iterator[Recorded]:
        """Rest, and all that the GPU was at work for, where a trace tells that."""
        for entry in self.index:
            if "gpu_util_pct" not in entry["columns"].split():
                continue
            rows = self.rows(entry["file"])
            setup, (cores, cpu, gpu) = _setup(entry)
            watts = [(float(row["gpu_util_pct"]), float(row["in_w"])) for row in rows]
            busy = tuple(w for share, w in watts if share >= _BUSY_PCT)
            rest = _calmest([(float(n), w) for n, (_, w) in enumerate(watts)], len(watts))
            dt_s = float(rows[-1]["t_s"]) / len(rows)
            phases = (
                Phase("rest", Conditions(cores, cpu, gpu, 0.0), dt_s, rest or ()),
                Phase("work", Conditions(cores, cpu, gpu), dt_s, busy),
            )
            yield Recorded(setup.profile, entry["board"], entry["mode"], phases)

    def _mlperf(self) -> Iterator[Recorded]:
        """The calmest seconds before a load, and the load."""
        for entry in self.index:
            if "MLPerf" not in entry["load"] or not (rows := self._series(entry, "wall_w")):
                continue
            words = entry["load"].split()
            round_, who, load = words[2], words[3], " ".join(words[5:7])
            setup, (cores, cpu, gpu) = _setup(entry)
            nvidia = who != "Krai"  # whose loads run on the processor
            batched = "offline" in load.lower()
            at = Conditions(cores, cpu, gpu if nvidia else None, 1.0, float(nvidia and batched))
            begin, end = float(entry["load_begin_s"]), float(entry["load_end_s"])
            rest = _calmest(rows, begin)
            if rest is None:
                continue
            idle = Phase("rest", Conditions(cores, cpu, at.gpu, 0.0), 1.0, rest)
            group = f"{entry['board']}, {who}" + ("" if nvidia else f" {round_}")
            backend = "armnn " if "armnn" in entry["file"] else ""
            unit = f"{entry['mode']} {backend}{load}"
            yield Recorded(setup.profile, group, unit, (idle, _phase(rows, load, at, begin, end)))

    def _meter(self) -> Iterator[Recorded]:
        """A board's own trace of rest, and a load."""
        rests = {e["file"]: self._series(e, "usb_in_w") for e in self.index if e["load"] == "idle"}
        for entry in self.index:
            if "YOLO" not in entry["load"] or "Hailo" in entry["board"]:
                continue
            name = entry["file"].split(".")[0]
            board, _, load = name.partition("_yolo26")
            end = f"_{name.rsplit('_', 1)[1]}" if name.endswith(("_s1", "_s2")) else "_s1"
            rest = rests.get(f"{board}_idle.csv.gz") or rests.get(f"{board}_idle{end}.csv.gz")
            rows = self._series(entry, "usb_in_w")
            if not rest or not rows:
                continue
            setup, (cores, cpu, _) = _setup(entry)
            gpu = 1.0 if "CUDA" in entry["board"] else None
            at = Conditions(cores, cpu, gpu)
            calm = Phase("rest", Conditions(cores, cpu, gpu, 0.0), 1.0, _calmest(rest, 1e9) or ())
            size = load[0] + ("ncnn" if "ncnn" in load else "")
            phase = _phase(rows, load, at, rows[0][0], rows[-1][0])
            yield Recorded(setup.profile, entry["board"] + end, size, (calm, phase))

    def _cells(self) -> Iterator[Recorded]:
        """Means of runs with the same engine, model and quantisation: rest, prompt, answer."""
        kinds: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in self.rows(_CELLS):
            if all(row[key] for key in ("idle_total_mw", "dec_total_mw", "dec_gpu_util")):
                kinds[row["framework"], row["model"], row["quantization"]].append(row)
        for (engine, model, _), rows in kinds.items():
            long = [r for r in rows if r["pp_total_mw"] and float(r["ttft_ms"]) > 1e3 * _READS_S]
            busy = median(float(row["dec_gpu_util"]) for row in rows) / 100.0
            spans = [("rest", "idle_total_mw", 0.0, 0.0, rows)]
            spans += [("prompt", "pp_total_mw", 1.0, 1.0, long)] if long else []
            spans += [("answer", "dec_total_mw", busy, 0.0, rows)]
            phases = tuple(
                Phase(name, Conditions(12, 1.0, 1.0, share, prompts), 1.0, _steady(key, these))
                for name, key, share, prompts, these in spans
            )
            yield Recorded(_CELLS_PROFILE, _CELLS_BOARD, f"{engine} {model}", phases)

    def _series(self, entry: Row, key: str) -> list[tuple[float, float]]:
        rows = self.rows(entry["file"]) if key in entry["columns"].split() else []
        return [(float(row["t_s"]), float(row[key])) for row in rows if row[key]]


def _setup(entry: Row) -> tuple[_Setup, tuple[int, float, float]]:
    for setup in _SETUPS:
        if entry["board"].startswith(setup.board):
            modes = (at for name, at in _MODES.items() if name in entry["mode"])
            return setup, next(modes, (setup.cores, 1.0, 1.0))
    raise BenchError(f"index.csv has a board that is not known: {entry['board']}")


def _loads(text: str) -> dict[str, float]:
    return json.loads(text) if text else {}


def _phase(
    rows: Sequence[tuple[float, float]], name: str, at: Conditions, begin: float, end: float
) -> Phase:
    """The readings of the first seconds of a phase, without its edges."""
    begin, end = begin + _EDGE_S, min(end - _EDGE_S, begin + _EDGE_S + _LONG_S)
    dt_s = (rows[-1][0] - rows[0][0]) / max(1, len(rows) - 1)
    return Phase(name, at, dt_s, tuple(watts for time_s, watts in rows if begin <= time_s <= end))


def _calmest(rows: Sequence[tuple[float, float]], until_s: float) -> tuple[float, ...] | None:
    """The readings of the seconds with the least power until a time; None: there are too few."""
    size = round(_REST_S)
    watts = [w for time_s, w in rows if time_s < until_s - _EDGE_S]
    windows = [tuple(watts[k : k + size]) for k in range(len(watts) - size + 1)]
    return min(windows, key=sum, default=None)


def _steady(key: str, rows: Sequence[Row]) -> tuple[float, ...]:
    """A median of the table, as readings that scatter by a thousandth."""
    watts = median(float(row[key]) for row in rows) / 1e3
    return tuple(watts * (1.0 + 0.001 * (-1) ** n) for n in range(_TABLE_S))
