from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap.paths import CHECKOUT
from bootstrap.run import MODEL, parse

Script = Callable[[Path, str], Path]

# Notes each call; serves a socket; `run` ends with 7, or when told to hang, by a signal only.
EDGE_RT = """#!{python}
import os, signal, socket, sys
with open({calls!r}, "a") as calls:
    print(os.getpid(), *sys.argv[1:], file=calls)
if sys.argv[1] == "serve":
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[-1])
    listener.listen()
    signal.pause()
if sys.argv[1] == "run":
    if "hang" in sys.argv:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        print("started", flush=True)
        signal.pause()
    sys.exit(7)
if "unknown" in sys.argv:
    sys.exit(4)
"""
MAIN = """
import sys
from pathlib import Path
from bootstrap import run, venv
run.ensure = lambda: venv.Venv(Path({root!r}))
sys.exit(run.main(sys.argv[1:]))
"""


class Tool:
    """`tools/run` over a stand-in for `edge-rt`."""

    def __init__(self, root: Path, script: Script) -> None:
        self._calls = root / "calls"
        script(root / "bin/edge-rt", EDGE_RT.format(python=sys.executable, calls=str(self._calls)))
        self._main = MAIN.format(root=str(root))

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self._main, *argv],
            cwd=CHECKOUT / "tools",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str) -> int:
        with self.start(*argv) as process:
            return process.wait()

    def calls(self) -> dict[str, list[str]]:
        """The arguments of each subcommand."""
        lines = [line.split() for line in self._calls.read_text().splitlines()]
        return {words[1]: words[2:] for words in lines}

    def pids(self) -> list[int]:
        return [int(line.split()[0]) for line in self._calls.read_text().splitlines()]


@pytest.fixture
def tool(tmp_path: Path, script: Script, cache: Path) -> Tool:
    return Tool(tmp_path, script)


def test_the_prompt_and_unknown_options_pass_on_in_order() -> None:
    argv = ["--max-tokens", "4", "Why?", "--config", "c.yaml", "--json"]
    request = parse(argv)
    assert request.passed == ["--max-tokens", "4", "Why?", "--json"]
    assert request.config == Path("c.yaml")


def test_what_follows_the_dashes_is_left_alone() -> None:
    assert parse(["Why?", "--", "--config", "x", "--help"]).passed == [
        *("Why?", "--config", "x", "--help")
    ]


@pytest.mark.parametrize("argv", [["--model", "m", "p"], ["p", "--model=m"], ["-m", "m", "p"]])
def test_the_named_model_is_the_one_to_fetch(argv: list[str]) -> None:
    assert parse(argv).model == "m"


def test_no_model_named_is_the_default_one() -> None:
    assert parse(["p", "--model"]).model == MODEL


def test_it_fetches_serves_asks_and_ends_as_the_answer_did(tool: Tool, cache: Path) -> None:
    assert tool.run("Why?", "--max-tokens", "4") == 7
    calls = tool.calls()
    assert list(calls) == ["models", "serve", "run"]
    assert calls["models"] == ["pull", MODEL, "--store", str(cache / "store")]
    socket = calls["serve"][-1]
    assert calls["run"] == [*("--socket", socket, "--model", MODEL, "Why?", "--max-tokens", "4")]
    assert not Path(socket).parent.exists()


def test_a_model_that_is_there_is_not_fetched(tool: Tool, cache: Path) -> None:
    (cache / "store/mine").mkdir(parents=True)
    (cache / "store/mine/file.gguf").touch()
    assert tool.run("Why?", "--model", "mine") == 7
    assert list(tool.calls()) == ["serve", "run"]


def test_a_model_that_cannot_be_fetched_ends_it(tool: Tool) -> None:
    assert tool.run("Why?", "--model", "unknown") == 4
    assert list(tool.calls()) == ["models"]


def test_this_machines_configuration_is_left_out_unless_named(tool: Tool) -> None:
    tool.run("Why?")
    assert tool.calls()["serve"][:2] == ["--config", os.devnull]
    tool.run("Why?", "--config", "mine.yaml")
    assert tool.calls()["serve"][:2] == ["--config", "mine.yaml"]


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_the_daemon_too(tool: Tool, sent: signal.Signals, status: int) -> None:
    with tool.start("hang") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        os.killpg(process.pid, sent)  # as a terminal does; the daemon is in a session of its own
        assert process.wait() == status
    for pid in tool.pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_help_needs_no_setup(tool: Tool) -> None:
    assert tool.run("--help") == 0
