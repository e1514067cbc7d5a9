"""Programs that a model wrote pass or fail; the checkers' tests hold the limits of the sandbox."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from evallib import EvalError
from evallib.sandbox import run


def test_a_program_that_comes_to_its_end_has_passed() -> None:
    outcome = run("import math, re, typing, collections\nassert math.sqrt(4) == 2\nprint('done')\n")
    assert outcome.passed, outcome.why
    assert run("import sys\nfor _ in range(10000): print('x' * 1000)").passed
    assert run("open('/tmp/a', 'w').write('x')\nassert open('/tmp/a').read() == 'x'").passed


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("assert 1 == 2", "AssertionError"),
        ("raise ValueError('no')", "ValueError: no"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(0)", "ended before its end"),
        ("import os; os._exit(0)", "ended before its end"),
        ("def f(): f()\nf()", "RecursionError"),
        ("input()", "EOFError"),
        ("x = bytearray(1 << 30)", "MemoryError"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "OSError"),
    ],
)
def test_what_does_not_come_to_its_end_has_not_passed(program: str, why: str) -> None:
    outcome = run(program)
    assert not outcome.passed
    assert why in outcome.why


def test_an_endless_program_ends_and_nothing_of_it_is_left() -> None:
    assert run("while True: pass", 0.5).why == "took too long"
    assert not psutil.Process().children(recursive=True)


def test_files_of_this_machine_are_out_of_reach(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("kept")
    assert "FileNotFoundError" in run(f"open({str(mine)!r})").why
    assert not run("open('/usr/new', 'w')").passed
    assert mine.read_text() == "kept"


def test_the_order_of_sets_is_always_the_same() -> None:
    program = "raise ValueError(hash('a word'))"
    assert run(program).why == run(program).why


def test_without_bubblewrap_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EvalError, match="install bubblewrap"):
        run("pass")
