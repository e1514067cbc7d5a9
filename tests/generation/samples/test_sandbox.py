"""Programs in the sandbox, a real one: whatever they do, they end within their limits."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from edge_rt.config.schema import AnswerChecker
from edge_rt.core.errors import RequestError
from edge_rt.generation.samples import inside
from edge_rt.generation.samples.sandbox import Ending, Sandbox, walled

PYTHON = "/usr/bin/python3"
MEMORY = 192 << 20


@pytest.fixture(scope="module", autouse=True)
def bubblewrap() -> None:
    """CI has to have it; elsewhere these tests are left out."""
    if shutil.which("bwrap") is None or not Path(PYTHON).exists():
        if os.environ.get("CI"):
            pytest.fail("bwrap or python3 is missing: install bubblewrap and python3")
        pytest.skip("needs bubblewrap and the system's Python")


def checker(*command: str, seconds: float = 20.0) -> AnswerChecker:
    return AnswerChecker(command=[*command], seconds=seconds, memory_bytes=MEMORY)


def judged(code: str, seconds: float = 20.0, text: str = "") -> Ending:
    program = checker(PYTHON, "-c", code, seconds=seconds)
    ending = asyncio.run(Sandbox(Path("/nonexistent")).run(program, text))
    children = psutil.Process().children(recursive=True)
    assert not [one for one in children if one.status() != psutil.STATUS_ZOMBIE], "all has ended"
    return ending


def says(code: str) -> str:
    """What a program says that ends well."""
    ending = judged(code)
    assert ending.status == 0, ending
    return ending.why


def test_a_program_reads_the_answer_and_its_exit_code_is_its_word() -> None:
    code = "import sys, json; d = json.load(sys.stdin); print(d['a']); sys.exit(d['b'])"
    assert judged(code, text=json.dumps({"a": "why not", "b": 1})) == Ending(1, "why not")
    assert judged(code, text=json.dumps({"a": "ä", "b": 0})) == Ending(0, "ä")


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(1000)",
        "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
        "import os, time\nif os.fork() == 0:\n os.setsid(); time.sleep(1000)\nwhile True: pass",
        "import os, time; os.close(1); time.sleep(1000)",
    ],
)
def test_what_does_not_end_takes_too_long(code: str) -> None:
    assert judged(code, seconds=0.5) == Ending(None, "took too long")


def test_a_program_that_goes_on_in_the_background_does_not_outlive_its_end() -> None:
    code = "import os, time\nif os.fork() == 0:\n os.setsid(); os.close(1); time.sleep(1000)"
    assert judged(code).status == 0


def test_endless_output_is_cut() -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    assert judged(code) == Ending(None, f"said more than {inside.OUTPUT} bytes")


def test_no_process_and_not_all_together_may_take_more_memory() -> None:
    assert judged("x = bytearray(1 << 30)").status == 1, "a MemoryError"
    code = (
        "import os, time\nfor _ in range(3): os.fork()\nx = bytearray(60 << 20); time.sleep(1000)"
    )
    assert judged(code) == Ending(None, f"took more than {MEMORY} bytes of memory")


def test_a_program_that_dies_is_told() -> None:
    assert judged("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").status == -11
    ending = asyncio.run(Sandbox(Path("/nonexistent")).run(checker("/no/such/program"), ""))
    assert ending.status is None
    assert ending.why.startswith("cannot be run: ")


def test_there_are_no_files_but_the_systems_programs(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    # The sandbox's own program and its Python are there, wherever the checkout lies.
    own = [Path(inside.__file__), Path(sys.base_prefix), Path(sys.executable).resolve()]
    ways = {str(folder) for path in own for folder in path.parents}
    paths = {str(secret), "/etc/shadow", "/etc/passwd", "/home", "/var", "/sys"} - ways
    code = f"import os; print(*filter(os.path.exists, {paths}))"
    assert says(code) == ""
    below = [path.relative_to("/tmp").parts[0] for path in own if path.is_relative_to("/tmp")]
    assert {*says("import os; print(*os.listdir('/tmp'))").split()} == {*below}
    for path in ("/usr/x", "/x", "/etc/x", "/bin/x"):
        assert judged(f"open({path!r}, 'w')").status == 1


def test_files_of_the_temporary_folder_are_limited() -> None:
    code = "f = open('/tmp/x', 'w')\nwhile True: f.write('x' * 65536); f.flush()"
    assert judged(code).status != 0


def test_a_file_that_the_command_names_can_be_read(tmp_path: Path) -> None:
    program = tmp_path / "checker.py"
    program.write_text("print('read')")
    program.chmod(0o644)
    reads = checker(PYTHON, str(program))
    assert asyncio.run(Sandbox(Path("/nonexistent")).run(reads, "")) == Ending(0, "read")
    assert judged(f"open({str(program)!r})").status == 1, "and by no other"


def test_there_is_no_network_not_even_to_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert judged(code).status == 1
    assert says("import socket; print(*[name for _, name in socket.if_nameindex()])") == "lo"


def test_nobody_else_is_seen_and_nothing_can_be_gained() -> None:
    assert int(says("import os; print(len([p for p in os.listdir('/proc') if p.isdigit()]))")) <= 3
    assert says("import os; print(os.getuid() == 0)") == "False" or os.geteuid() != 0
    assert judged("open('/proc/1/fd/1', 'w')").status == 1, "where the verdict is written"


def test_several_at_once_do_not_disturb_each_other() -> None:
    sandbox = Sandbox(Path("/nonexistent"))
    bad = checker(PYTHON, "-c", "import os\nwhile True: os.fork()", seconds=1.0)
    good = checker(PYTHON, "-c", "print('well')")

    async def both() -> list[Ending]:
        return await asyncio.gather(sandbox.run(bad, ""), *(sandbox.run(good, "") for _ in "abc"))

    _, *well = asyncio.run(both())
    assert well == [Ending(0, "well")] * 3


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        ("```python\ndef double(x):\n    return 2 * x\n```", Ending(0)),
        ("```python\ndef double(x):\n    return 3 * x\n```", Ending(1, "double(2) is not 4")),
        ("```python\nimport sys\ndef double(x):\n    return 0\nsys.exit(0)\n```", Ending(1)),
        ("I cannot.", Ending(1)),
    ],
)
def test_the_checker_of_the_guide_judges(answer: str, ending: Ending) -> None:
    page = Path(__file__).parents[3] / "docs/how-to/samples.md"
    code = page.read_text().split('```python title="examples.py"\n')[1].split("\n```\n")[0]
    prompt = 'def double(x):\n    """Double it.\n    >>> double(2)\n    4\n    """'
    assert judged(code, text=json.dumps({"prompt": prompt, "answer": answer})) == ending


def test_under_systemd_the_unit_behind_the_socket_runs_it(tmp_path: Path) -> None:
    """As with Accept=yes: each connection is the standard input and output of a program."""
    path = tmp_path / "check.sock"

    async def run() -> Ending:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            unit = walled(shutil.which("bwrap") or "", (PYTHON,))
            done = await asyncio.to_thread(
                subprocess.run, unit, input=line, capture_output=True, check=True
            )
            writer.write(done.stdout)
            writer.close()

        async with await asyncio.start_unix_server(accept, str(path)):
            checker = AnswerChecker(
                command=[PYTHON, "-c", "print(input())"], seconds=20.0, memory_bytes=MEMORY
            )
            return await Sandbox(path, bwrap="/nonexistent").run(checker, "hello")

    assert asyncio.run(run()) == Ending(0, "hello")


def test_a_unit_that_its_limits_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "check.sock"

    async def run() -> Ending:
        async with await asyncio.start_unix_server(lambda _, writer: writer.close(), str(path)):
            return await Sandbox(path).run(checker("/bin/true"), "")

    assert asyncio.run(run()) == Ending(None, "was ended by a limit of its sandbox")


def test_without_either_it_is_refused_with_the_reason() -> None:
    sandbox = Sandbox(Path("/nonexistent"), bwrap="/nonexistent/bwrap")
    with pytest.raises(RequestError, match=r"start edge-rt-check\.socket .* or install bubblewrap"):
        asyncio.run(sandbox.prove())


def test_a_bubblewrap_that_refuses_says_why(tmp_path: Path) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho bwrap: No permissions to create new namespace\nexit 1\n")
    bwrap.chmod(0o755)
    with pytest.raises(RequestError, match="No permissions to create new namespace"):
        asyncio.run(Sandbox(Path("/nonexistent"), bwrap=str(bwrap)).prove())
