"""Ctrl-C ends a command at any moment with 130 and without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge_rt.cli import leave, leave_on_interrupt
from edge_rt.cli.exits import interruptible

PROGRAM = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv[0] = "edge-rt"
from edge_rt.cli.entry import main
main()
"""

AS_MODULE = """
import runpy, signal, sys
sys.argv = ["edge-rt", "--version"]
try:
    runpy.run_module("edge_rt.cli.entry", run_name="__main__")
except SystemExit:
    from edge_rt.cli import leave
    print(signal.getsignal(signal.SIGINT) is leave)
"""


@pytest.fixture
def handled() -> Iterator[None]:
    """As in a process that has just begun; puts back what was."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("click", ["--help"]),
        ("edge_rt.cli.main", ["run", "Hi"]),
        ("edge_rt.cli.commands.run", ["run", "Hi"]),
        ("httpx", ["run", "Hi"]),
        ("httpx", ["status"]),
        ("edge_rt.cli.commands.chat", ["chat"]),
        ("rich.console", ["models", "list"]),
        ("yaml", ["models", "list"]),
        ("yaml", ["check-config"]),
        ("edge_rt.models.pull", ["models", "pull", "smollm2-135m-instruct"]),
        ("edge_rt.server.server", ["serve"]),
    ],
)
def test_while_something_is_imported(
    module: str, words: list[str], environ: dict[str, str], tmp_path: Path
) -> None:
    environ["STATE_DIRECTORY"] = str(tmp_path / "state")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module), *words],
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, b"")
    assert all(line.startswith(b"Store: ") for line in done.stderr.splitlines())


def test_only_within_a_command_it_is_an_exception(handled: None) -> None:
    leave_on_interrupt()
    assert signal.getsignal(signal.SIGINT) is leave
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is leave


def test_who_is_to_ignore_it_goes_on_ignoring_it(handled: None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_on_interrupt()
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_as_a_module_it_sets_the_handler_that_commands_know() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_MODULE], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"


def test_the_handler_of_a_caller_stays(handled: None) -> None:
    def own(*_: object) -> None:
        raise AssertionError

    signal.signal(signal.SIGINT, own)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is own
    assert signal.getsignal(signal.SIGINT) is own


def test_a_command_can_be_looked_up_by_a_thread() -> None:
    def look() -> None:
        with interruptible():
            pass

    with ThreadPoolExecutor(1) as threads:
        threads.submit(look).result()
