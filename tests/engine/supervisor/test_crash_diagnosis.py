"""Who is to blame for an engine's end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from edge_rt.engine.channel import Doing
from edge_rt.engine.process import CrashDiagnosis

DOING = Doing(5, 1, frozenset({3, 4}))


@pytest.mark.parametrize("code", [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, 1])
def test_an_engine_that_ends_by_itself_ends_because_of_what_it_did(code: int) -> None:
    exit_reason = CrashDiagnosis().exit_reason(code, DOING)
    assert (exit_reason.requests, exit_reason.outside) == ({3, 4}, False)
    assert exit_reason.why == (f"signal {signal.Signals(-code).name}" if code < 0 else "exit 1")


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGHUP])
def test_one_that_is_ended_from_outside_says_so(tmp_path: Path, sign: signal.Signals) -> None:
    exit_reason = CrashDiagnosis(tmp_path).exit_reason(-sign, DOING)
    assert exit_reason.outside
    assert "from outside" in exit_reason.why


def test_the_kernel_counts_whom_it_kills_for_memory(tmp_path: Path) -> None:
    vmstat = tmp_path / "proc" / "vmstat"
    vmstat.parent.mkdir()
    vmstat.write_text("pgfault 7\noom_kill 2\n")
    diagnosis = CrashDiagnosis(tmp_path)
    assert diagnosis.exit_reason(-signal.SIGKILL, DOING).outside
    vmstat.write_text("pgfault 9\noom_kill 3\n")
    exit_reason = diagnosis.exit_reason(-signal.SIGKILL, DOING)
    assert (exit_reason.requests, exit_reason.short_of_memory) == ({3, 4}, True)
    assert CrashDiagnosis(tmp_path).exit_reason(-signal.SIGKILL, DOING).outside


def test_whom_else_the_kernel_kills_for_memory_is_not_the_engine_s_matter(tmp_path: Path) -> None:
    vmstat, own = tmp_path / "proc" / "vmstat", tmp_path / "proc" / "self" / "cgroup"
    events = tmp_path / "sys/fs/cgroup/system.slice/edge-rt.service/memory.events"
    for file in (vmstat, own, events):
        file.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("9:name=systemd:/\n0::/system.slice/edge-rt.service\n")
    events.write_text("low 0\noom 0\noom_kill 0\noom_group_kill 0\n")
    vmstat.write_text("oom_kill 2\n")
    diagnosis = CrashDiagnosis(tmp_path)
    vmstat.write_text("oom_kill 3\n")
    assert diagnosis.exit_reason(-signal.SIGKILL, DOING).outside
    events.write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert diagnosis.exit_reason(-signal.SIGKILL, DOING).short_of_memory


def test_what_another_program_of_an_old_board_did_is_not_either(tmp_path: Path) -> None:
    """Where memory is in the hierarchy of version 1."""
    own = tmp_path / "proc" / "self" / "cgroup"
    counts = tmp_path / "sys/fs/cgroup/memory/system.slice/edge-rt.service/memory.oom_control"
    for file in (own, counts):
        file.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("4:memory:/system.slice/edge-rt.service\n0::/system.slice/edge-rt.service\n")
    (tmp_path / "proc" / "vmstat").write_text("oom_kill 2\n")
    counts.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    diagnosis = CrashDiagnosis(tmp_path)
    (tmp_path / "proc" / "vmstat").write_text("oom_kill 3\n")
    assert diagnosis.exit_reason(-signal.SIGKILL, DOING).outside
    counts.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert diagnosis.exit_reason(-signal.SIGKILL, DOING).short_of_memory


def test_signals_without_a_name_are_told_by_their_numbers(tmp_path: Path) -> None:
    assert CrashDiagnosis(tmp_path).exit_reason(-40, DOING).why == "signal 40"
