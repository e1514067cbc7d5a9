"""What the kernel saw of daemon, engine, commands and conversion: their files and connections."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny_gguf import Tiny, byte_level, write_tiny

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

TOOLS = Path(__file__).parents[2] / "tools"
NAMES = {"/var/run/nscd/socket"}  # where the C library looks for users' names first, if it is there
COMMAND = str(Path(sys.executable).with_name("edge-rt"))
HELLO = {"prompt": "Hello", "max_tokens": 4, "temperature": 0}
SIZES = Tiny(layers=1, embedding=64, heads=1, kv_heads=1, feed_forward=64)
NETWORK = "socket,connect,sendto,sendmsg,sendmmsg,io_uring_setup"
FILES = "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,symlink,symlinkat,link,linkat"
FAMILY = re.compile(r"^socket\((\w+)|^\w+\(.*sa_family=(\w+)")
OTHER_END = re.compile(r'^(?:connect|send\w+)\(.*sa_family=AF_UNIX, sun_path=(@?".*?")')
# Results of calls have the paths of their files, see -y.
OPENED = re.compile(r"^(?:open|openat|openat2|creat)\(.*\bO_(?:WRONLY|RDWR|CREAT).* = \d+<(.*?)>")
MADE = re.compile(r'^(?:mk|symlink|link)\w+\(.*"(.*?)"[^"]* = 0$')


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a user who has nothing yet."""
    path = tmp_path / "home"
    path.mkdir()
    return path


class Seen:
    """The calls of a program and all its children, one file a thread in `place`."""

    def __init__(self, place: Path, home: Path) -> None:
        place.mkdir()
        self._place, self._home = place, home

    @property
    def through(self) -> list[str]:
        """The command that runs another, watched, with nothing of this environment."""
        strace = shutil.which("strace")
        assert strace is not None, "strace is missing: apt-get install strace"
        kept = ("PATH", "STATE_DIRECTORY")
        unset = [f"--unset={name}" for name in os.environ if name not in kept]
        own = [f"HOME={self._home}", "PYTHONDONTWRITEBYTECODE=1"]
        traced = ["-y", "-qq", "-e", f"trace={NETWORK},{FILES}", "-o", str(self._place / "t")]
        return ["env", *unset, *own, strace, "-ff", "--seccomp-bpf", *traced]

    def families(self) -> set[str]:
        """Of sockets that were made or addressed."""
        found = (match for line in self._lines() if (match := FAMILY.match(line)))
        return {match[1] or match[2] for match in found}

    def ends(self) -> set[str]:
        """Paths of the sockets that were addressed."""
        found = {match[1] for line in self._lines() if (match := OTHER_END.match(line))}
        return {path.strip('"') for path in found}

    def written(self) -> set[Path]:
        """Files that were opened for writing, and what else was made, on a disk or in /dev/shm."""
        found = (OPENED.match(line) or MADE.match(line) for line in self._lines())
        paths = {match[1].removesuffix("(deleted)") for match in found if match}
        kernel = ("/proc/", "/sys/", "/dev/", "/memfd:")
        return {Path(p) for p in paths if p.startswith("/dev/shm/") or not p.startswith(kernel)}

    def _lines(self) -> Iterator[str]:
        threads = list(self._place.iterdir())
        assert threads, "strace has written nothing"
        for thread in threads:
            yield from thread.read_text(errors="replace").splitlines()


@pytest.fixture
def converted(tmp_path: Path, home: Path) -> Path:
    """A small model that was converted, checked against the original, and watched meanwhile."""
    gguf = write_tiny(tmp_path / "tiny.gguf", SIZES, byte_level("qwen2"), "Q4_1")
    seen, folder = Seen(tmp_path / "converting", home), tmp_path / "out" / "tiny-onnx"
    program = "from edge_rt.cli.local.models_convert import convert_model; convert_model()"
    words = [sys.executable, "-c", program, str(gguf), str(folder), "--tokens", "40"]
    subprocess.run([*seen.through, *words], cwd=TOOLS, check=True)
    assert seen.families() <= {"AF_UNIX"}
    assert not seen.ends()
    assert {path for path in seen.written() if not path.is_relative_to(folder.parent)} == set()
    return folder


@pytest.fixture
def all_kinds(tasks_store: Path, converted: Path, tmp_path: Path) -> Path:
    """A store with a model for each backend and kind."""
    shutil.copytree(tasks_store, tmp_path / "models", copy_function=os.link)
    Store(tmp_path / "models", load_catalogue()).add(converted, "tiny-onnx")
    return tmp_path / "models"


def ask(daemon: Any) -> None:
    """Have every kind of model at work, in both backends."""
    messages = [{"role": "user", "content": "Hello"}]
    said = {"model": daemon.model, "messages": messages, "max_tokens": 4}
    bodies = {
        "/v1/chat/completions": said,
        "/v1/completions": {"model": "tiny-onnx"} | HELLO,
        "/v1/embeddings": {"model": "all-minilm-l6-v2", "input": "Hello"},
    }
    for path, body in bodies.items():
        answer = daemon.http.post(path, json=body)
        assert answer.status_code == 200, answer.text


def test_a_daemon_writes_into_its_directories_and_reaches_nobody(
    own_daemon: Any, all_kinds: Path, tmp_path: Path, home: Path
) -> None:
    seen = Seen(tmp_path / "serving", home)
    daemon = own_daemon(all_kinds, through=seen.through, cache={})
    ask(daemon)
    watched = psutil.Process(daemon.process.pid).children()[0]
    watched.terminate()
    assert daemon.process.wait(60) == 0
    assert seen.families() == {"AF_UNIX"}
    assert seen.ends() <= NAMES
    assert [path for path in seen.written() if not path.is_relative_to(daemon.directory)] == []
    assert list(home.iterdir()) == []


def test_commands_reach_the_daemon_and_nobody_else(daemon: Any, tmp_path: Path, home: Path) -> None:
    seen = Seen(tmp_path / "asking", home)
    for words in (["run", "--max-tokens", "4", "Hello"], ["chat"], ["status"], ["models", "list"]):
        where = ["--store" if words[0] == "models" else "--socket"]
        where.append(str(daemon.store if words[0] == "models" else daemon.socket))
        done = subprocess.run(
            [*seen.through, COMMAND, *words, *where], input="Hello\n", text=True, check=False
        )
        assert done.returncode == 0, words
    assert seen.families() == {"AF_UNIX"}
    assert seen.ends() == {str(daemon.socket)}
    assert seen.written() == set()
    assert list(home.iterdir()) == []
