"""What the probes read and how it is counted, timed and reported; jtop only pretends."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from benchlib import BenchError, environment, sense
from benchlib.sense import Probe, Turns, board_tree
from benchlib.sense_ours import sweeps
from benchlib.sense_probe import ALL, GROUPS, cpu_s
from benchlib.sense_share import core_share, sampler
from benchmarks.sense import REQUIREMENTS, Bench
from bootstrap.paths import CHECKOUT
from rich.console import Console

from edge_rt.board.sampler_thread import SamplerThread

Script = Callable[[Path, str], Path]

# The parts of jtop that are asked, reading one file each of the tree.
JTOP = {
    "__init__": "",
    "core/__init__": "",
    "core/power": "class PowerService:\n def get_status(self): return {'x': _n()}\n",
    "core/temperature": "class TemperatureService:\n def get_status(self): return [_n(), 'C']\n",
    "core/cpu": "class CPUService:\n def get_status(self): return [{'b': 1, 'on': True}, 2]\n",
    "core/gpu": "class GPUService:\n def get_status(self): return {'gpu': 1.5}\n",
    "core/fan": (
        "class FanService:\n def __init__(self, config): pass\n def get_status(self): return [3]\n"
    ),
    "core/memory": "def meminfo(): return {'MemTotal': 7}\n",
}
READ = "def _n(): return int(open('/sys/number').read())\n"


class Clock:
    """Gives one time after the other."""

    def __init__(self, *times: float) -> None:
        self._times = iter(times)

    def __call__(self) -> float:
        return next(self._times)


class Watch(sense.Watch):
    """Sees the machine as it is, without looking for a second."""

    def __init__(self, label: str, patience_s: float) -> None:
        super().__init__(label, patience_s, sleep=lambda _: None)


class Fake:
    """A probe that finds `cpu_s` for everything and 10 figures a group."""

    def __init__(self, cpu_s: float, log: list[str]) -> None:
        self._cpu_s, self._log = cpu_s, log

    def __call__(self, *argv: object) -> dict[str, Any]:
        self._log.append(" ".join(map(str, argv)))
        by_group = dict.fromkeys((ALL, *GROUPS), self._cpu_s)
        return {"cpu_s": by_group, "figures": {**dict.fromkeys(GROUPS, 10), ALL: 64}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, root: Path) -> Bench:
    monkeypatch.setattr(sense, "Watch", Watch)
    turns = Turns(root, 5, 100, 0.0, lambda _: None)
    log: list[str] = []
    return Bench(Fake(2.0, log), Fake(8.0, log), lambda *argv: {"core_share": len(argv)}, turns)


def jtop(tmp_path: Path, **changed: str) -> Path:
    """A Python that has the pretended jtop; `changed` replaces modules by their last name."""
    for name, text in JTOP.items():
        file = tmp_path / f"site/jtop/{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(READ + changed.get(name.rpartition("/")[2], text))
    python = tmp_path / "python"
    site = tmp_path / "site"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def test_a_sweep_costs_the_middle_of_the_batches_and_warming_up_is_free() -> None:
    calls: list[int] = []
    clock = Clock(0.0, 1.0, 10.0, 19.0, 20.0, 22.0)
    assert cpu_s(lambda: calls.append(1), batches=3, sweeps=10, clock=clock) == 0.2
    assert len(calls) > 30


def test_the_tree_has_both_names_of_a_file_wakes_every_zone_and_goes(root: Path) -> None:
    with board_tree(root):
        zones = list((root / "sys/devices/virtual/thermal").glob("thermal_zone*"))
        assert len(zones) > 8
        assert all(int((zone / "temp").read_text()) for zone in zones)
        clocks = {(root / f"sys/devices/system/cpu/cpu{n}/cpufreq").resolve() for n in range(12)}
        assert {clock.name for clock in clocks} == {"policy0", "policy4", "policy8"}
    assert not (root / "sys").exists()


def test_we_read_every_channel_of_every_reader_in_one_sweep(root: Path) -> None:
    with board_tree(root):
        found, figures = sweeps(root)
        found[ALL]()
    assert set(found) == {ALL, *GROUPS}
    assert figures["rails"] == 12  # volts, amperes and watts of four rails
    assert all(figures[group] for group in GROUPS)
    assert figures[ALL] >= sum(figures[group] for group in GROUPS)


def test_a_channel_that_tells_nothing_ends_the_probe(root: Path) -> None:
    with board_tree(root):
        (root / "sys/class/thermal/thermal_zone0/temp").write_text("cold")
        with pytest.raises(SystemExit, match="without a value"):
            sweeps(root)


def test_the_thread_is_watched_at_its_own_rates_or_one_for_all(root: Path) -> None:
    with board_tree(root):
        own, fast = sampler(root, None), sampler(root, 0.1)
        assert len({reader.period_s for reader in own.readers}) > 1
        assert {reader.period_s for reader in fast.readers} == {0.1}
        assert core_share(SamplerThread(own), 1.0, sleep=lambda _: None) >= 0
        fast.close()


def test_jtop_reads_below_the_root_and_its_numbers_are_counted(tmp_path: Path, root: Path) -> None:
    (root / "sys").mkdir(parents=True)
    (root / "sys/number").write_text("42\n")
    found = Probe(jtop(tmp_path), "benchlib.sense_jtop")(root, 1, 1)
    counts = {"rails": 1, "zones": 1, "fan": 1, "gpu": 1, "cpu": 2, "memory": 1}
    assert found["figures"] == {ALL: 7, **counts}
    assert set(found["cpu_s"]) == {ALL, *GROUPS}


def test_a_jtop_that_finds_nothing_is_not_compared(tmp_path: Path, root: Path) -> None:
    (root / "sys").mkdir(parents=True)
    (root / "sys/number").write_text("42\n")
    python = jtop(tmp_path, gpu="class GPUService:\n def get_status(self): return {}\n")
    with pytest.raises(BenchError, match="nothing to read of: gpu"):
        Probe(python, "benchlib.sense_jtop")(root, 1, 1)


def test_what_a_probe_prints_before_its_answer_is_passed_over(
    script: Script, tmp_path: Path
) -> None:
    python = script(tmp_path / "python", "#!/bin/sh\necho hello\necho '{\"argv\": \"'$*'\"}'\n")
    assert Probe(python, "a.module")(1, "b") == {"argv": "-m a.module 1 b"}


def test_sides_take_turns_and_every_round_is_kept(bench: Bench) -> None:
    bench.run(rounds=2, seconds=3.0)
    labels = [f"round {number} {who}" for number in (1, 2) for who in ("ours", "peer")]
    assert [sample.label for sample in bench.turns.samples] == labels
    assert bench.turns.of("peer", "rails") == [8.0, 8.0]
    assert bench.turns.per_figure("ours") == [2.0 / 64] * 2


def test_the_report_has_the_agreed_names(bench: Bench, tmp_path: Path) -> None:
    bench.run(rounds=1, seconds=3.0)
    report, file = bench.report(), tmp_path / "out.json"
    report.write_json(file)
    found: Mapping[str, Any] = json.loads(file.read_text())
    assert found["name"] == "sense"
    assert found["ratios"]["cpu_per_sample"] == 0.25
    assert found["ratios"]["cpu_per_sample_rails"] == 0.25
    assert found["values"]["cpu_per_sample_ours"] == 2.0
    assert (found["values"]["core_share"], found["values"]["core_share_10hz"]) == (2, 3)
    assert found["values"]["figures_peer"] == 64
    out = io.StringIO()
    report.print(Console(file=out, width=200))
    assert "ours reads 64 figures: rails 10, zones 10" in out.getvalue()
    assert "of no group 4" in out.getvalue()


def test_what_was_not_measured_is_none(bench: Bench) -> None:
    report = bench.report()
    assert set(report.ratios.values()) == {None}
    assert report.values["core_share"] is None


def test_jtop_is_pinned_by_version_and_hash() -> None:
    words = REQUIREMENTS.read_text().replace("\\", "").split()
    names = [word for word in words if not word.startswith("--hash=sha256:")]
    assert names[0].startswith("jetson-stats==")
    assert all("==" in name for name in names)
    assert len(words) >= 2 * len(names)


def test_an_environment_that_works_is_left_alone(
    script: Script, cache: Path, tmp_path: Path
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("mine==1.0 --hash=sha256:0\n")
    version = "{}.{}".format(*sys.version_info)
    python = script(cache / f"bench/mine-1.0-py{version}/bin/python", "#!/bin/sh\nexit 0\n")
    assert environment.environment(requirements, "mine", cache) == python
    assert [path.name for path in cache.iterdir()] == ["bench"]


def test_it_is_one_of_the_benchmarks() -> None:
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "tools/bench"), "sense", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for option in ("--json", "--quick", "--rounds", "--seconds"):
        assert option in done.stdout
