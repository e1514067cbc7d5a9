"""The program that checks texts: what it may do, and what becomes of one that fails."""

from __future__ import annotations

import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_rt.core.decoding import CheckerSpec
from edge_rt.core.errors import EngineError
from edge_rt.engine.generation.checker import RETRY_S, CheckerProcess, Checkers

LOOP = """
import json, os, socket, sys, time
for number, line in enumerate(sys.stdin):
    said = json.loads(line)
    verdicts = ["viable" if number == 0 else DO] * len(said["next"])
    print(json.dumps(verdicts), flush=True)
"""
MEMORY = 256 * 1024 * 1024
Make = Callable[..., CheckerProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[CheckerProcess] = []

    def maker(do: str = "'complete'", *, timeout_s: float = 5.0) -> CheckerProcess:
        made.append(CheckerProcess(spec(tmp_path, LOOP.replace("DO", do), timeout_s)))
        return made[-1]

    yield maker
    for one in made:
        one.close()


def spec(folder: Path, program: str, timeout_s: float = 5.0) -> CheckerSpec:
    file = folder / "checker.py"
    file.write_text(program)
    return CheckerSpec("mine", (sys.executable, str(file)), timeout_s, MEMORY)


def test_verdicts_come_in_the_order_of_the_texts(make: Make) -> None:
    checker = make("'dead' if said['next'] == ['b'] else 'final'")
    assert checker.judge("a", ["b"], 0.0) == ["dead"]
    assert checker.judge("é\n", ["a", "\ud7ff", ""], 0.0) == ["final"] * 3
    long = "x" * 300_000  # more than a socket holds
    assert checker.judge(long, [long], 0.0) == ["final"]


@pytest.mark.parametrize(
    ("do", "says"),
    [
        ("exit(7)", "ended with exit code 7"),
        ("os.kill(os.getpid(), 11)", "ended by signal 11"),
        ("'perhaps'", "answered nonsense"),
        ("1", "answered nonsense"),
        ("print('[') or 'dead'", "answered nonsense"),
        ("print('[\"dead\", \"dead\"]') or 'dead'", "gave 2 verdicts on 1 texts"),
        ("print('x' * (1 << 22)) or 'dead'", "answered nonsense"),
        ("os.close(0) or os.close(1) or time.sleep(60)", "closed its output"),
        ("bytearray(1 << 29) and 'dead'", "ended with exit code 1"),
    ],
)
def test_one_that_fails_is_ended_and_says_how(make: Make, do: str, says: str) -> None:
    checker = make(do)
    with pytest.raises(EngineError, match=r"`edge\.check`: the checker 'mine' ") as caught:
        checker.judge("", ["a"], 0.0)
    assert says in str(caught.value)
    assert not checker.alive
    with pytest.raises(EngineError, match="mine"):
        checker.judge("", ["a"], 0.0)


def test_one_that_answers_twice_is_ended_before_its_answers_are_mixed_up(make: Make) -> None:
    checker = make("print('[\"final\"]') or 'dead'")
    assert checker.judge("", ["a"], 0.0) == ["final"]
    with pytest.raises(EngineError, match="more than one line"):
        checker.judge("", ["b"], 0.0)
    assert not checker.alive


@pytest.mark.parametrize("do", ["time.sleep(60)", "[1 for _ in iter(int, 1)]"])
def test_one_that_hangs_is_ended_when_its_time_is_over(make: Make, do: str) -> None:
    checker = make(do, timeout_s=0.2)
    with pytest.raises(EngineError, match="did not answer within"):
        checker.judge("", ["a"], 0.0)
    assert not checker.alive


def test_all_questions_about_one_token_share_its_time(make: Make) -> None:
    checker = make(timeout_s=3600.0)
    with pytest.raises(EngineError, match="did not answer within"):
        checker.judge("", ["a"], spent_s=3600.0)


@pytest.mark.parametrize(
    "do",
    [
        "socket.socket(socket.AF_INET)",
        "socket.socket(socket.AF_UNIX)",
        "os.write(os.open(os.environ['PATH'], os.O_CREAT | os.O_WRONLY), b'x')",
        "[open('/dev/null') for _ in range(80)]",
    ],
)
def test_it_has_no_sockets_and_writes_no_files(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, do: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "file"))
    checker = make(f"[{do}] and 'dead'")
    with pytest.raises(EngineError, match="ended"):
        checker.judge("", ["a"], 0.0)


def test_it_knows_nothing_of_the_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_RT_SECRET", "x")
    checker = make("'dead' if 'EDGE_RT_SECRET' in os.environ or os.getcwd() != '/' else 'viable'")
    assert checker.judge("", ["a"], 0.0) == ["viable"]


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("no program")
    for mode in (0o644, 0o755):
        file.chmod(mode | stat.S_IRUSR)
        with pytest.raises(EngineError, match=f"cannot be run: '{file}"):
            CheckerProcess(CheckerSpec("mine", (str(file), "-x"), 1.0, MEMORY))


def test_the_example_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "check.md").read_text()
    program = page.partition('```python title="additions.py"\n')[2].partition("```")[0]
    checker = CheckerProcess(spec(tmp_path, program))
    assert checker.judge("17+2", ["5", "6=", "x"], 0.0) == ["viable", "viable", "dead"]
    assert checker.judge("17+25=", ["4", "42", "5"], 0.0) == ["viable", "final", "dead"]
    checker.close()


def test_one_that_has_ended_is_started_again_for_the_next_request(tmp_path: Path) -> None:
    one = spec(tmp_path, LOOP.replace("DO", "exit(1)"))
    checkers = Checkers(lambda: None)
    with pytest.raises(EngineError, match="has ended"):
        checkers.get(one)
    checkers.start(one)
    first = checkers.get(one)
    checkers.start(one)
    assert checkers.get(one) is first
    with pytest.raises(EngineError):
        first.judge("", ["a"], 0.0)
    checkers.start(one)
    assert checkers.get(one) is not first
    assert checkers.get(one).alive
    checkers.close()
    checkers.start(one)
    assert not checkers.get(one).alive


def test_one_that_does_not_start_is_told_to_each_who_wants_it(tmp_path: Path) -> None:
    one, now = spec(tmp_path, "raise SystemExit(4)"), [0.0]
    checkers = Checkers(lambda: None, lambda: now[0])
    checkers.start(one)
    (tmp_path / "checker.py").write_text(LOOP.replace("DO", "'final'"))
    for now[0] in (1.0, RETRY_S - 0.1):
        checkers.start(one)
        with pytest.raises(EngineError, match="exit code 4"):
            checkers.get(one)
    now[0] = RETRY_S
    checkers.start(one)
    assert checkers.get(one).judge("", ["a"], 0.0) == ["final"]
    checkers.close()


def test_one_that_starts_while_its_model_leaves_is_ended(tmp_path: Path) -> None:
    checkers = Checkers(lambda: None)
    one = spec(tmp_path, LOOP.replace("for number", "time.sleep(0.2)\nfor number"))
    starting = threading.Thread(target=checkers.start, args=(one,))
    starting.start()
    checkers.close()
    starting.join()
    with pytest.raises(EngineError, match="ended"):
        checkers.get(one).judge("", ["a"], 0.0)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    one = spec(tmp_path, LOOP)
    program = (
        "import os; from edge_rt.core.decoding import CheckerSpec;"
        "from edge_rt.engine.generation.checker import CheckerProcess;"
        f"one = CheckerProcess(CheckerSpec('mine', {one.command!r}, 1.0, {MEMORY}));"
        "print(one._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    told = psutil.Popen([sys.executable, "-c", program], stdout=-1)
    pid = int(told.stdout.readline())
    assert told.wait() == -9
    for _ in range(400):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.01)
    raise AssertionError("it is still there")
