from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.options import accepts
from edge_rt.cli.private_daemon import private_daemon

SERVE = """
import os, signal, socket, sys
{first}
print(os.getpid(), file=open(sys.argv[1], "w"), flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[-1])
listener.listen()
while True:
    signal.pause()
"""


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The test's own process keeps its handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Serve:
    """A stand-in for `edge-rt serve` and the pid that it leaves behind."""

    def __init__(self, root: Path, first: str = "") -> None:
        self._pid = root / "pid"
        self.argv = [sys.executable, "-c", SERVE.format(first=first), str(self._pid)]

    @property
    def runs(self) -> bool:
        try:
            os.kill(int(self._pid.read_text()), 0)
        except ProcessLookupError:
            return False
        return True


def test_the_socket_answers_in_a_directory_of_its_own(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with private_daemon(serve.argv) as socket:
        assert stat.S_ISSOCK(socket.stat().st_mode)
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert serve.runs
    assert not serve.runs
    assert not socket.parent.exists()


def test_it_is_stopped_when_the_block_fails(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    with pytest.raises(KeyboardInterrupt), private_daemon(serve.argv) as socket:
        raise KeyboardInterrupt
    assert not serve.runs
    assert not socket.parent.exists()


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    serve = Serve(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    with private_daemon(serve.argv, grace_s=0.1):
        pass
    assert not serve.runs


def test_one_that_dies_at_start_is_quoted(tmp_path: Path) -> None:
    serve = Serve(tmp_path, "sys.exit('no such model')")
    with (
        pytest.raises(CommandFailure, match=r"no such model(.|\n)*ended with 1"),
        private_daemon(serve.argv),
    ):
        pytest.fail("it never answered")


def test_one_that_stays_silent_is_given_up(tmp_path: Path) -> None:
    serve = Serve(tmp_path, "signal.pause()")
    with (
        pytest.raises(CommandFailure, match="did not answer"),
        private_daemon(serve.argv, ready_s=0.1),
    ):
        pytest.fail("it never answered")


def test_a_long_temporary_directory_is_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with private_daemon(Serve(tmp_path).argv) as socket:
        assert len(os.fsencode(socket)) < 108
    assert not list(deep.iterdir())


def test_a_listener_that_is_busy_is_there(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(str(path))
        assert not accepts(path)
        listener.listen(0)
        waiting.connect(str(path))  # the only one that it may have waiting
        assert accepts(path)
    assert not accepts(path)
