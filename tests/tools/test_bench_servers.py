"""How the servers are started, looked at and ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import psutil
import pytest
from benchlib import BenchError, daemon, peer, process
from benchlib.process import Child, rss_mb, until
from benchlib.server import Loop, Settings

LEDGER = Path("/nowhere/ledger.db")
SETTINGS = Settings(Path("/m/a.gguf"), "a-model", context=8192, parallel=8, threads=2)
LOG = "I cmn common_param: llama threadpool init, n_threads = 2\n"


def props(**changed: object) -> dict[str, object]:
    return {"total_slots": 8, "model_path": "/m/a.gguf", **changed}


def slots(context: int = 8192) -> list[dict[str, int]]:
    return [{"id": number, "n_ctx": context} for number in range(8)]


def test_the_peer_gets_all_settings_and_its_own_python() -> None:
    argv = peer.command(Path("/v/bin/python"), SETTINGS, port=4321)
    assert argv[0] == "/v/bin/python"
    assert Path(argv[1]).name == "peer_server.py"
    assert Path(argv[1]).is_file()
    options = dict(zip(argv[2::2], argv[3::2], strict=True))
    assert options == {
        "--model": "/m/a.gguf",
        "--port": "4321",
        "--threads": "2",
        "--context": "8192",
        "--parallel": "8",
    }


def test_a_peer_without_a_thread_count_gets_one_a_core() -> None:
    argv = peer.command(Path("p"), Settings(Path("m"), "m", 1024, 1, None), port=1)
    assert argv[argv.index("--threads") + 1] == str(len(os.sched_getaffinity(0)))


def test_a_peer_with_the_settings_it_was_given_passes() -> None:
    peer.verify(SETTINGS, props(), slots(), LOG)
    peer.verify(SETTINGS, props(), slots(), "a log that does not tell threads")


@pytest.mark.parametrize(
    ("found", "context", "log", "what"),
    [
        (props(total_slots=4), 8192, LOG, "sequences"),
        (props(), 1024, LOG, "context"),
        (props(model_path="/m/b.gguf"), 8192, LOG, "model"),
        (props(), 8192, LOG.replace("= 2", "= 1"), "threads"),
    ],
)
def test_a_peer_with_other_settings_is_refused(
    found: dict[str, object], context: int, log: str, what: str
) -> None:
    with pytest.raises(BenchError, match=what):
        peer.verify(SETTINGS, found, slots(context), log)


def test_the_peer_is_pinned_by_version_and_hash() -> None:
    first, *hashes = peer.REQUIREMENTS.read_text().replace("\\", "").split()
    assert first.startswith("xllamacpp==")
    assert hashes
    assert all(word.startswith("--hash=sha256:") for word in hashes)


def test_our_daemon_gets_the_same_settings() -> None:
    engine = json.loads(daemon.config(SETTINGS, LEDGER))["engine"]
    assert engine == {"threads": 2, "context": 1024, "sequences": 8}
    assert engine["context"] * engine["sequences"] == SETTINGS.context


def test_without_a_thread_count_the_choice_is_the_daemons() -> None:
    automatic = Settings(Path("m"), "m", 8192, 8, None)
    assert "threads" not in json.loads(daemon.config(automatic, LEDGER))["engine"]


def test_the_configuration_is_one_that_the_daemon_takes(tmp_path: Path) -> None:
    from edge_rt.config.loader import load

    file = tmp_path / "config.yaml"
    file.write_text(daemon.config(SETTINGS, LEDGER))
    assert load(file).engine.threads == 2


def test_bytecode_is_written_whatever_python_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "part").mkdir()
    (tmp_path / "part/one.py").write_text("x = 1\n")
    daemon.compile_bytecode(tmp_path)
    assert list(tmp_path.glob("part/__pycache__/one.*.pyc"))


def test_loop_overhead_is_the_share_that_was_not_native() -> None:
    before, after = Loop(10, 5.0, 4.0), Loop(20, 15.0, 13.5)
    assert after.overhead_since(before) == pytest.approx(0.05)


def test_a_child_and_its_own_children_are_gone_afterwards(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "while time.process_time() < 0.05: pass\n"  # several ticks of the kernel's count
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print('started', flush=True)\n"
        "signal.pause()\n"
    )

    async def started() -> bool:
        return "started" in child.log.read_text()

    with Child([sys.executable, "-c", code], tmp_path / "log", grace_s=0.1) as child:
        asyncio.run(until(started, child))
        tree = child.tree()
        assert len(tree) == 2
        assert child.cpu_s() > 0
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in tree)
    assert child.tree() == [] or not child.process.is_running()


def test_cpu_time_counts_children_that_ended(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "child = os.fork()\n"
        "while not child and os.times().user < 0.2: pass\n"
        "if not child: os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print('ended', flush=True)\n"
        "signal.pause()\n"
    )

    async def ended() -> bool:
        return "ended" in child.log.read_text()

    with Child([sys.executable, "-c", code], tmp_path / "log", grace_s=0.1) as child:
        asyncio.run(until(ended, child))
        assert len(child.tree()) == 1
        assert child.cpu_s() >= 0.2


@pytest.mark.parametrize("error", [ConnectionRefusedError(), BenchError("broke off")])
def test_a_child_that_ends_early_is_an_error_with_its_log(error: Exception, tmp_path: Path) -> None:
    async def never() -> bool:
        raise error

    with (
        Child(["sh", "-c", "echo no such model; exit 3"], tmp_path / "log") as child,
        pytest.raises(BenchError, match=r"(?s)status 3.*no such model"),
    ):
        asyncio.run(until(never, child))


def test_waiting_ends_when_the_time_is_up(tmp_path: Path) -> None:
    ticks = iter(range(0, 1000, 10))

    async def never() -> bool:
        return False

    with (
        Child(["sleep", "60"], tmp_path / "log", clock=lambda: 0.0) as child,
        pytest.raises(BenchError, match="not ready after 20 s"),
    ):
        asyncio.run(until(never, child, 20, pause_s=0, clock=lambda: float(next(ticks))))


def test_memory_is_told_as_a_whole_and_by_kind(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/status").write_text(
        "Name:\tx\nVmRSS:\t  4096 kB\nRssAnon:\t 1024 kB\nRssFile:\t 3072 kB\n"
    )
    assert rss_mb(7, tmp_path) == {"rss": 4.0, "anon": 1.0, "file": 3.0}


def test_what_a_python_says_is_taken_and_its_failure_shown() -> None:
    assert process.said(Path(sys.executable), "print(' x ')") == "x"
    with pytest.raises(BenchError, match="ValueError: why"):
        process.said(Path(sys.executable), "raise ValueError('why')")
