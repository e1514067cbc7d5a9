"""The commands and programs of README and docs/ that speak to a daemon, run against one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from doc_examples import blocks, command_lines

pytestmark = pytest.mark.slow  # the models of the tests write at length

CLIENTS = ("run", "status", "ps", "sensors", "top", "ledger", "plan", "cache", "report")
SHORT = {"run": ("--max-tokens", "8"), "plan": ("--max-tokens", "8")}  # the last one counts
OTHERS = ("qwen", "recorded", "--watch")  # models and folders that are not here; no end


@pytest.fixture
def board(make_board):
    with make_board("raspberry-pi-5") as root:
        yield root


@pytest.fixture
def run(own_daemon, board, tmp_path):
    """Runs a command in an empty folder, beside a daemon that knows the power of a board."""
    daemon = own_daemon(sensors={"root": str(board)})
    (tmp_path / "edge-rt").mkdir()
    (tmp_path / "edge-rt/edge-rt.sock").symlink_to(daemon.socket)
    places = {"EDGE_RT_SOCKET": str(daemon.socket), "XDG_RUNTIME_DIR": str(tmp_path)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [*words],
            cwd=tmp_path,
            env=os.environ | places | {"SOCKET": str(daemon.socket)},
            input="Some text.",
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    return run


def lines(*names: str) -> list[tuple[str, ...]]:
    """The commands of those names, each once, in the order of the pages."""
    found = dict.fromkeys(
        example.words[1:]
        for example in command_lines()
        if example.words[0] == "edge-rt" and example.words[1:2] and example.words[1] in names
    )
    return [words for words in found if not any(part in " ".join(words) for part in OTHERS)]


def test_commands_run(run, tmp_path):
    budgets = lines("budget")  # last, since a budget may refuse requests
    asked = lines(*CLIENTS)
    assert {words[0] for words in asked} == set(CLIENTS)
    assert len(budgets) > 4
    for words in [*asked, *budgets]:
        command = str(Path(sys.executable).with_name("edge-rt"))
        run(command, *words, *SHORT.get(words[0], ()))
    assert (tmp_path / "report.html").stat().st_size > 0


def test_python_and_curl_get_an_answer(run, tmp_path):
    programs: defaultdict[str, str] = defaultdict(str)
    for page, text in blocks("python"):
        if "client.audio." in text:
            continue  # the tests of speech ask like this
        programs[page] += text  # what follows on a page goes on with what it began
    assert len(programs) == 3
    for text in programs.values():
        own = f'"{tmp_path}/edge-rt/edge-rt.sock"'
        assert run(sys.executable, "-c", re.sub(r'"/run/\S+?\.sock"', own, text)).strip()
    asked = (text for _, text in blocks("sh") if "/v1/chat/completions" in text)
    [chat] = [text for text in asked if "image_url" not in text]  # tests of images have those
    assert '"content":' in run("bash", "-euc", chat)
