from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bootstrap.paths import CHECKOUT
from bootstrap.run import parse

pytestmark = pytest.mark.slow  # programs that start daemons

Script = Callable[[Path, str], Path]

# Notes each call; `run` ends with 7, or when told to hang, by a signal only.
# `sensors` tells what it is made to; `twin` makes its directory, but of no unknown board.
EDGE_RT = """#!{python}
import os, signal, sys
with open({calls!r}, "a") as calls:
    print(os.getpid(), *sys.argv[1:], file=calls)
if sys.argv[1] == "sensors":
    with open({calls!r} + ".config", "w") as seen:
        print(os.path.realpath(os.environ["CONFIGURATION_DIRECTORY"] + "/config.yaml"), file=seen)
    print({report!r})
    sys.exit({status})
if sys.argv[1] == "twin":
    if "unknown" in sys.argv:
        sys.exit("no board profile 'unknown'")
    os.mkdir(sys.argv[-1])
    print(sys.argv[-1], flush=True)
    signal.pause()
if sys.argv[1] == "run":
    if "hang" in sys.argv:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        print("started", flush=True)
        signal.pause()
    sys.exit(7)
"""
MAIN = """
import sys
from pathlib import Path
from bootstrap import run, venv
run.ensure = lambda wheels: venv.Venv(Path({root!r}))
sys.exit(run.main(sys.argv[1:]))
"""


MEASURED = '{"root": "/", "supply": {"quality": "measured"}}'
MODELLED = '{"root": "/", "supply": {"quality": "modelled"}}'
NOTHING = '{"root": "/", "supply": null}'
ELSEWHERE = '{"root": "/somewhere", "supply": null}'


class Tool:
    """`tools/run` over a stand-in for `edge-rt`; `said` is the last one's standard error."""

    said = ""

    def __init__(self, root: Path, script: Script) -> None:
        self._calls, self._root, self._script = root / "calls", root, script
        self._main = MAIN.format(root=str(root))
        self.told(MEASURED)

    def told(self, report: str, status: int = 0) -> None:
        """Let the sensors tell `report` from now on."""
        calls = str(self._calls)
        text = EDGE_RT.format(python=sys.executable, calls=calls, report=report, status=status)
        self._script(self._root / "bin/edge-rt", text)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self._main, *argv],
            cwd=CHECKOUT / "tools",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str) -> int:
        with self.start(*argv) as process:
            self.said = process.communicate()[1]
            return process.returncode

    def calls(self) -> dict[str, list[str]]:
        """The arguments of each subcommand."""
        lines = [line.split() for line in self._calls.read_text().splitlines()]
        return {words[1]: words[2:] for words in lines}

    def config_of_sensors(self) -> str:
        """The configuration that the sensors were last read with."""
        return self._calls.with_name("calls.config").read_text().strip()

    def pids(self) -> list[int]:
        return [int(line.split()[0]) for line in self._calls.read_text().splitlines()]


def assert_gone(tool: Tool) -> None:
    for pid in tool.pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.fixture
def tool(tmp_path: Path, script: Script) -> Tool:
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


def test_it_lets_edge_rt_answer_by_itself_and_ends_as_that_did(tool: Tool) -> None:
    assert tool.run("Why?", "--model", "m", "--max-tokens", "4") == 7
    calls = tool.calls()
    assert list(calls) == ["sensors", "run"]
    passed = ["Why?", "--model", "m", "--max-tokens", "4"]
    assert calls["run"] == ["--standalone", "--config", os.devnull, *passed]


def test_this_machines_configuration_is_left_out_unless_named(tool: Tool) -> None:
    for argv, file in (((), os.devnull), (("--config", "/my/own.yaml"), "/my/own.yaml")):
        tool.run("Why?", *argv)
        assert tool.calls()["run"][1:3] == ["--config", file]
        assert tool.config_of_sensors() == file


@pytest.mark.parametrize("report", [MEASURED, MODELLED, ELSEWHERE])
def test_where_power_is_told_no_board_is_simulated(tool: Tool, report: str) -> None:
    tool.told(report)
    assert tool.run("Why?") == 7
    assert list(tool.calls()) == ["sensors", "run"]
    assert "--sensors-root" not in tool.calls()["run"]
    assert "simulating" not in tool.said
    assert ("modelled" in tool.said) == (report == MODELLED)


def test_where_no_power_is_told_a_board_is_simulated_for_as_long(tool: Tool) -> None:
    tool.told(NOTHING)
    with tool.start("Why?") as process:
        said = process.communicate()[1]
    assert process.returncode == 7
    assert "simulating a Raspberry Pi 5" in said
    twin = tool.calls()["twin"]
    assert twin[:4] == ["--board", "raspberry-pi-5", "--watch", str(process.pid)]
    assert tool.calls()["run"][-3:] == ["--sensors-root", twin[-1], "Why?"]
    assert not Path(twin[-1]).parent.exists()
    assert_gone(tool)


def test_a_named_board_is_simulated_without_asking_the_sensors(tool: Tool) -> None:
    assert tool.run("Why?", "--board", "mine") == 7
    assert tool.calls()["twin"][:2] == ["--board", "mine"]
    assert "sensors" not in tool.calls()
    assert "Simulating mine" in tool.said


def test_a_board_that_cannot_be_simulated_ends_it(tool: Tool) -> None:
    assert tool.run("Why?", "--board", "unknown") == 1
    assert "no board profile 'unknown'" in tool.said
    assert "run" not in tool.calls()
    assert not Path(tool.calls()["twin"][-1]).parent.exists()


def test_sensors_that_cannot_be_asked_end_it(tool: Tool) -> None:
    tool.told("", status=1)
    assert tool.run("Why?") == 1
    assert "could not be read" in tool.said
    assert "run" not in tool.calls()


def test_a_faulty_configuration_is_left_to_the_daemon_to_tell(tool: Tool) -> None:
    tool.told("", status=6)
    assert tool.run("Why?", "--config", "faulty.yaml") == 7
    assert list(tool.calls()) == ["sensors", "run"]


@pytest.mark.parametrize("report", [MEASURED, NOTHING])
@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_the_twin_too(
    tool: Tool, sent: signal.Signals, status: int, report: str
) -> None:
    tool.told(report)
    with tool.start("hang") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        os.killpg(process.pid, sent)  # as a terminal does; the twin is in a session of its own
        assert process.wait() == status
    assert ("twin" in tool.calls()) == (report == NOTHING)
    assert_gone(tool)


def test_help_needs_no_setup(tool: Tool) -> None:
    assert tool.run("--help") == 0
