"""What takes too much to compile or to follow ends alone, and its request hears why."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from letters import PIECES, Letters
from stopping import stop

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.system.cgroup import ControlGroup
from edge_rt.decoding.constraints import grammars as module
from edge_rt.decoding.constraints import process as processes
from edge_rt.decoding.constraints import worker
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.constraints.matcher import Matcher
from edge_rt.decoding.constraints.messages import ASK, END, FORK, NUMBER, ORDER, RUNNING
from edge_rt.decoding.constraints.process import TimeLimits
from edge_rt.engine.hang_detector import STILL_S

DEAR = Constraint("json_schema", json.dumps({"type": "integer", "multipleOf": 999983}))
CHEAP = Constraint("regex", "[ab]{2}c*", param="edge.regex")
A, C = PIECES.index(b"a"), PIECES.index(b"c")
# Any number of x, and then q, is soon found to be possible. What else may follow 30 of them is not
# looked at before they are there, and takes longer than anybody has.
LATE = Constraint(
    "lark",
    "start: T\nT: " + " & ".join(f"/(?s:x*q|x{{30}}.*a.{{{i}}})/" for i in range(1, 25)) + "\n",
    param="grammar",
)


@pytest.fixture
def grammars() -> Iterator[Grammars]:
    made = Grammars(Letters())
    yield made
    made.close()


def pid(matcher: Matcher) -> int:
    return matcher._grammar.process.pid  # pyright: ignore[reportPrivateUsage]


def running(pid: int) -> bool:
    """Return whether it has not ended; its end may be a moment away.

    The first thread of a process ends before others that still hold its sockets.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return state not in "ZX" or threads > 1


def await_end(pid: int) -> None:
    while running(pid):
        threading.Event().wait(0.01)


def limit(monkeypatch: pytest.MonkeyPatch, cpu_s: float, idle_s: float = 9.0) -> None:
    monkeypatch.setattr(module, "COMPILATION", TimeLimits(cpu_s, 60.0, idle_s))


def walk_to_what_is_dear(matcher: Matcher) -> None:
    x = PIECES.index(b"x")
    for _ in range(40):
        assert matcher.allows(x)
        matcher.take(x)


def test_what_takes_too_long_is_refused_and_not_tried_again(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, 0.1)
    with pytest.raises(
        RequestError, match=r"more than 0\.1 s of the processor.*Simplify"
    ) as caught:
        grammars.matcher(DEAR)
    assert (caught.value.param, caught.value.code) == ("response_format", "constraint_too_complex")
    limit(monkeypatch, 60.0)
    with pytest.raises(RequestError, match=r"more than 0\.1 s"):
        grammars.matcher(DEAR)
    assert grammars.matcher(CHEAP).allows(A)


def test_what_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 16 << 20)
    grammars = Grammars(Letters())
    with pytest.raises(RequestError, match="more memory than it may") as caught:
        grammars.matcher(DEAR)
    assert caught.value.code == "constraint_too_complex"
    grammars.close()


def test_where_the_machine_is_short_of_memory_it_may_be_tried_again(tmp_path: Path) -> None:
    own = tmp_path / "sys" / "fs" / "cgroup" / "edge"
    own.mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/edge\n")
    for name, number in (("memory.max", 40 << 20), ("memory.current", 20 << 20)):
        (own / name).write_text(str(number))
    grammars = Grammars(Letters(), ControlGroup(tmp_path))
    for _ in range(2):
        with pytest.raises(Unavailable, match="16 MB of memory that are left") as caught:
            grammars.matcher(DEAR)
        assert (caught.value.code, caught.value.retry_after_s) == ("out_of_memory", 5.0)
    assert grammars.matcher(CHEAP).allows(A)
    grammars.close()


def test_what_becomes_dear_in_the_midst_of_an_answer_ends_that_answer(grammars: Grammars) -> None:
    other, late = grammars.matcher(CHEAP), grammars.matcher(LATE)
    with pytest.raises(RequestError, match="finding the next tokens takes more") as caught:
        walk_to_what_is_dear(late)
    assert (caught.value.param, caught.value.code) == ("grammar", "constraint_too_complex")
    await_end(pid(late))
    assert other.allows(A)
    assert not other.allows(C)
    assert grammars.matcher(LATE).allows(PIECES.index(b"q"))  # it may have been the text


def test_nothing_is_compiled_for_a_client_that_left(grammars: Grammars) -> None:
    asked = list[bool]()

    def wanted(cpu_s: float) -> bool:
        assert cpu_s >= 0.0
        asked.append(True)
        return len(asked) < 3

    with pytest.raises(Unavailable):
        grammars.compile(DEAR, wanted)
    assert len(asked) == 3


def test_what_takes_long_waits_for_all_other_work(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies, start = list[int](), module.GrammarServer.take

    def take(server: Any) -> Any:
        process = start(server)
        monkeypatch.setattr(process, "_late", look(process._late, process.pid))
        return process

    def look(late: Callable[[TimeLimits], str], pid: int) -> Callable[[TimeLimits], str]:
        def looked(limits: TimeLimits) -> str:
            policies.append(os.sched_getscheduler(pid))
            return late(limits)

        return looked

    monkeypatch.setattr(module.GrammarServer, "take", take)
    limit(monkeypatch, 0.5, idle_s=0.1)
    with pytest.raises(RequestError):
        grammars.matcher(DEAR)
    assert (policies[0], policies[-1]) == (os.SCHED_OTHER, os.SCHED_IDLE)


def test_who_is_to_wait_for_other_work_does_so_from_the_beginning(grammars: Grammars) -> None:
    matcher = grammars.compile(CHEAP, idle=True)
    assert isinstance(matcher, Matcher)
    assert os.sched_getscheduler(pid(matcher)) == os.SCHED_IDLE


def test_the_time_of_its_processes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[float]()
    grammars = Grammars(Letters(), helped=told.append)
    limit(monkeypatch, 0.5)
    with pytest.raises(RequestError):
        grammars.matcher(DEAR)
    assert min(told) >= 0.0
    assert sum(told) >= 0.5
    grammars.close()


def test_closing_waits_for_no_compilation(grammars: Grammars) -> None:
    failures, begun = list[Exception](), threading.Event()

    def compile() -> None:
        try:
            grammars.compile(DEAR, lambda _: begun.set() or True)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=compile)
    thread.start()
    assert begun.wait(20)
    grammars.close()
    thread.join()
    (failure,) = failures
    assert isinstance(failure, Unavailable)
    assert failure.code == "not_loaded"
    with pytest.raises(Unavailable, match="unloaded"):
        grammars.matcher(CHEAP)


def test_after_its_processes_were_killed_it_goes_on_with_others(grammars: Grammars) -> None:
    matcher = grammars.matcher(CHEAP)
    os.kill(pid(matcher), signal.SIGKILL)
    with pytest.raises(Unavailable, match="its process was ended"):
        matcher.allows(A)
    again = pid(grammars.matcher(CHEAP))
    server = int(Path(f"/proc/{again}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    await_end(server)
    await_end(again)
    assert grammars.matcher(CHEAP).allows(A)


def test_a_process_that_was_killed_before_it_was_asked_costs_no_request(grammars: Grammars) -> None:
    server = parent(pid(grammars.matcher(CHEAP)))
    for child in children_of(server):
        os.kill(int(child), signal.SIGKILL)
    assert grammars.matcher(Constraint("regex", "a{2}")).allows(A)


def test_grammars_are_kept_by_their_weight(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [Constraint("regex", f"[ab]{{{n}}}") for n in range(2, 6)]
    first, *others = [grammars.matcher(constraint) for constraint in made]
    pids = [pid(matcher) for matcher in (first, *others)]
    assert all(map(running, pids))
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    del others
    grammars.matcher(made[3])
    for ended in pids[1:3]:
        await_end(ended)
    assert first.allows(A)  # an answer keeps its own
    assert grammars.matcher(made[3]).compile_s == 0


def test_what_is_refused_leaves_nothing_behind(grammars: Grammars) -> None:
    matcher = grammars.matcher(CHEAP)
    server = parent(pid(matcher))
    refuse(grammars, 0)
    descriptors, children = open_here(), children_of(server)
    for number in range(1, 13):
        refuse(grammars, number)
    assert open_here() == descriptors
    grammars.matcher(Constraint("regex", "a"))  # the orders are carried out one after the other
    assert len(children_of(server)) <= len(children) + 2  # the last may be about to end


def refuse(grammars: Grammars, number: int) -> None:
    for _ in range(2):
        with pytest.raises(RequestError, match="regex"):
            grammars.matcher(Constraint("regex", f"a{number}(", param="edge.regex"))


def open_here() -> int:
    """The descriptors of this process."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(pid: int) -> list[str]:
    """Those that ended, too, as long as nobody has asked how."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_refusals_are_few(grammars: Grammars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 3 * module.ENTRY_BYTES)
    for number in range(6):
        refuse(grammars, number)
    assert len(grammars._kept) <= 3  # pyright: ignore[reportPrivateUsage]


def test_nothing_is_left_of_what_was_closed() -> None:
    before, grammars = open_here(), Grammars(Letters())
    grammars.matcher(CHEAP)
    refuse(grammars, 0)
    grammars.close()
    gone = weakref.ref(grammars)
    del grammars
    assert open_here() == before
    assert gone() is None


def test_only_what_was_compiled_and_lives_is_there_at_once(grammars: Grammars) -> None:
    with pytest.raises(Unavailable, match=r"`edge\.regex`"):
        grammars.compiled(CHEAP)
    held = grammars.compile(CHEAP)
    matcher = grammars.compiled(CHEAP)
    assert matcher.allows(A)
    os.kill(pid(matcher), signal.SIGKILL)
    while matcher.alive:  # until the last of its threads has ended
        threading.Event().wait(0.01)
    with pytest.raises(Unavailable, match=r"`edge\.regex`.*try again"):
        grammars.compiled(CHEAP)
    del held


def test_a_process_that_stands_still_is_waited_for_less_long_than_a_hang_takes() -> None:
    noted = list[None]()
    grammars = Grammars(Letters(), note=lambda: noted.append(None))
    other, matcher = grammars.matcher(Constraint("regex", "b*")), grammars.matcher(CHEAP)
    assert processes.STEP.wall_s <= 0.7 * STILL_S
    stop(pid(matcher))
    with pytest.raises(Unavailable, match=r"`edge\.regex`.*try again"):
        matcher.take(A)
    assert len(noted) == 1  # each wait is one of its own
    assert other.allows(PIECES.index(b"b"))
    assert grammars.matcher(CHEAP).allows(A)
    grammars.close()


def test_the_first_process_is_not_waited_for_longer_either(grammars: Grammars) -> None:
    matcher = grammars.matcher(CHEAP)
    stop(parent(pid(matcher)))
    os.kill(pid(matcher), signal.SIGKILL)  # why it ended, only that one knows
    with pytest.raises(Unavailable, match="its process was ended"):
        matcher.take(A)
    assert grammars.matcher(CHEAP).allows(A)


def test_others_get_processes_while_one_is_about_to_end(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, made = pid(grammars.matcher(CHEAP)), list[Matcher]()

    def sleep(seconds: float) -> None:
        if made:  # it has ended, which the first process may not know yet
            return
        other = threading.Thread(target=lambda: made.append(grammars.matcher(LATE)))
        other.start()
        other.join(20)
        os.kill(ending, signal.SIGABRT)
        await_end(ending)

    monkeypatch.setattr(processes.time, "sleep", sleep)
    assert grammars._tools.server.why(ending) == "memory"  # pyright: ignore
    assert len(made) == 1


def test_the_first_process_waits_for_none_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(20)
    ending, kill = subprocess.Popen(["sleep", "60"]), os.kill
    monkeypatch.setattr(worker.os, "kill", lambda *_: None)  # it does not get to it
    monkeypatch.setattr(worker, "_fork", lambda sock, *_: sock.close() or 7)
    arguments: Any = (theirs, None, None)
    obeying = threading.Thread(target=worker._obey, args=arguments)  # pyright: ignore
    obeying.start()

    def say(kind: bytes, *descriptors: int) -> int:
        socket.send_fds(ours, [ORDER.pack(kind, ending.pid)], descriptors)
        return 0 if kind == END else NUMBER.unpack(ours.recv(NUMBER.size))[0]

    try:
        say(END)
        assert say(FORK, ours.fileno()) == 7
        assert say(ASK) == RUNNING
        kill(ending.pid, signal.SIGTERM)  # which Popen.terminate would ask of the same os.kill
        await_end(ending.pid)
        assert say(ASK) == -signal.SIGKILL  # it was reaped before the order was read
    finally:
        ours.close()
        obeying.join()
        theirs.close()


def test_a_message_that_stops_in_the_middle_is_not_waited_for_without_end(
    grammars: Grammars,
) -> None:
    matcher = grammars.matcher(CHEAP)
    ours, theirs = socket.socketpair()
    server = grammars._tools.server  # pyright: ignore
    process = processes.GrammarProcess(ours, pid(matcher), server, 0)
    theirs.sendall(b"\x09\0")
    with theirs, pytest.raises(processes.Ended, match="wall"):
        process.wait(processes.Reply(), processes.STEP)


def test_a_process_that_nobody_ends_ends_itself(grammars: Grammars) -> None:
    matcher = grammars.matcher(CHEAP)
    begun, _ = resource.prlimit(pid(matcher), resource.RLIMIT_CPU)
    assert 0 < begun <= worker.ANSWER_S + 1


def test_why_the_first_process_does_not_start_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "_COMMAND", (sys.executable, "-c", "raise OSError('no tree')"))
    grammars = Grammars(Letters())
    with pytest.raises(Unavailable, match=r"`edge\.regex`.*try again"):
        grammars.matcher(CHEAP)
    assert "no tree" in capfd.readouterr().err


def test_the_engine_does_not_load_llguidance() -> None:
    code = (
        "import sys, edge_rt.decoding.constraints.grammars as g; print('llguidance' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
