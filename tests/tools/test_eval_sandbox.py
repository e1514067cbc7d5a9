"""What a program that a model wrote may do, and what not."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from evallib.sandbox.run import Bounds, run

TIGHT = Bounds(cpu_s=1, wall_s=30.0)
SHORT = Bounds(wall_s=0.5)


def test_a_program_that_comes_to_its_end_has_passed() -> None:
    outcome = run("import math, re, typing, collections\nassert math.sqrt(4) == 2\nprint('done')\n")
    assert outcome.passed, outcome.why


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
    ],
)
def test_what_does_not_come_to_its_end_has_not_passed(program: str, why: str) -> None:
    outcome = run(program)
    assert not outcome.passed
    assert why in outcome.why


def test_an_endless_loop_ends_by_its_processor_time() -> None:
    assert run("while True: pass", TIGHT).why == "not in time"


def test_an_endless_wait_ends_by_the_clock() -> None:
    assert run("import time; time.sleep(1000)", SHORT).why == "not in time"


def test_memory_is_bounded() -> None:
    outcome = run("x = bytearray(1 << 30)", TIGHT)
    assert (outcome.passed, "MemoryError" in outcome.why) == (False, True)
    outcome = run("x = []\nwhile True: x.append(bytearray(1 << 20))", Bounds(cpu_s=10))
    assert (outcome.passed, "MemoryError" in outcome.why) == (False, True)


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.fork()",
        "import os; os.system('true')",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.kill(1, 0)",
        "import subprocess; subprocess.run(['true'])",
        "import multiprocessing",
        "import ctypes",
    ],
)
def test_no_other_process_is_started_or_touched(program: str) -> None:
    outcome = run(program)
    assert not outcome.passed
    assert "not allowed" in outcome.why


def test_there_is_no_network() -> None:
    for program in (
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.create_connection(('localhost', 9))",
        "import urllib.request; urllib.request.urlopen('http://localhost:9')",
    ):
        assert "not allowed" in run(program).why


def test_files_can_be_written_in_its_own_directory_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("kept")
    own = "import os, tempfile\nopen('a', 'w').write('x')\nassert open('a').read() == 'x'\n"
    assert run(own + "tempfile.TemporaryFile().write(b'x')\nos.mkdir('b')\nos.remove('a')").passed
    for deed in (
        f"open({str(mine)!r}, 'w')",
        f"open({str(mine)!r}, 'a')",
        f"open({str(mine)!r}, 'r+')",
        f"open({str(tmp_path / 'new')!r}, 'x')",
        f"import os; os.open({str(tmp_path / 'new')!r}, os.O_CREAT | os.O_WRONLY)",
        f"import os; os.remove({str(mine)!r})",
        f"import os; os.rename({str(mine)!r}, 'here')",
        f"import os; os.rename('program.py', {str(mine)!r})",
        f"import os; os.symlink({str(mine)!r}, 'link'); open('link', 'w')",
        f"import os; os.truncate({str(mine)!r}, 0)",
        f"import os; os.chmod({str(mine)!r}, 0)",
        f"import shutil; shutil.rmtree({str(tmp_path)!r})",
        f"import pathlib; pathlib.Path({str(mine)!r}).unlink()",
        "import os; open('../outside', 'w')",
    ):
        outcome = run(deed)
        assert not outcome.passed, deed
        assert "outside" in outcome.why, (deed, outcome.why)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert mine.read_text() == "kept"


def test_the_directory_is_empty_and_nothing_is_left_of_it() -> None:
    seen = run("import os; raise ValueError(os.listdir(), os.getcwd())").why
    assert seen.startswith("ValueError: ([],")
    assert not Path(seen.rpartition(", '")[2].rstrip("')")).exists()


def test_a_file_does_not_grow_without_bound() -> None:
    program = "with open('a', 'wb') as file:\n    for _ in range(100): file.write(b'x' * (1 << 20))"
    assert not run(program).passed


def test_what_it_prints_does_not_matter() -> None:
    assert run("import sys\nfor _ in range(10000): print('x' * 1000)").passed


def test_nothing_runs_on_behind_it() -> None:
    run("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()", SHORT)
    here = psutil.Process()
    assert not [p for p in here.children() if "inside.py" in " ".join(p.cmdline())]


def test_the_environment_of_this_process_is_not_shown() -> None:
    outcome = run(
        "import os\nassert 'HOME' not in os.environ and 'EDGE_RT_SOCKET' not in os.environ"
    )
    assert outcome.passed, outcome.why


def test_the_order_of_sets_is_always_the_same() -> None:
    program = "raise ValueError(hash('a word'))"
    assert run(program).why == run(program).why
