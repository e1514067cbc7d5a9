"""What prompts begin with outlives a daemon, and changes no answer."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Daemon = Any
CHAT = "/v1/chat/completions"
MODELS = ("smollm2-135m-instruct@llama.cpp", "smollm2-onnx@onnx")
CACHE = {"cache": {"enabled": True}}
LEAST = 600  # tokens that come back
SYSTEM = " ".join(
    f"Rule {number}: whoever asks about room {number * 7 % 90} is told who has the key, and when."
    for number in range(32)
)
QUESTIONS = ("Who has the key?", "What is a rule?", "Name a room.", "How many rules are there?")


@pytest.fixture(scope="module", params=MODELS)
def kept(
    request: Any, make_daemon: Callable[..., Daemon], both_backends: Path, tools: Any
) -> Iterator[Daemon]:
    """A daemon that was asked two questions under the same rules."""
    daemon = make_daemon(both_backends, **CACHE)
    daemon.model = request.param
    for question in QUESTIONS[:2]:
        ask(daemon, question)
    written(daemon, tools)
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def alone(make_daemon: Callable[..., Daemon], both_backends: Path) -> Iterator[Daemon]:
    """A daemon that keeps nothing."""
    daemon = make_daemon(both_backends)
    yield daemon
    daemon.close()


def ask(daemon: Daemon, question: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    body = {"messages": messages, "max_tokens": 24, "temperature": 0}
    response = daemon.post(body | fields, CHAT)
    assert response.status_code == 200, response.text
    return response.json()


def report(daemon: Daemon) -> dict[str, Any]:
    return daemon.http.get("/edge/v1/cache").json()["prefixes"]


def written(daemon: Daemon, tools: Any) -> None:
    """Wait until there is something in the files."""
    tools.eventually(lambda: report(daemon)["groups"], "a beginning is written")


def files(daemon: Daemon) -> list[Path]:
    return list(Path(daemon.directory, "prefixes").glob("*"))


def id_of(daemon: Daemon) -> str:
    return daemon.model.partition("@")[0]


def restart(daemon: Daemon) -> None:
    assert daemon.terminate() == 0
    daemon.start()


def restored(answer: dict[str, Any]) -> int:
    tokens = answer["edge"].get("restored_tokens", 0)
    assert tokens <= answer["usage"]["prompt_tokens_details"]["cached_tokens"]
    return tokens


def test_it_comes_back_after_a_restart_and_the_answer_is_the_same(
    kept: Daemon, alone: Daemon
) -> None:
    restart(kept)
    again = ask(kept, QUESTIONS[2])
    assert restored(again) > LEAST
    (booked, *_) = kept.http.get("/edge/v1/ledger?last=1").json()["last"]
    assert booked["cached_tokens"] == restored(again)
    alone.model = kept.model
    assert again["choices"] == ask(alone, QUESTIONS[2])["choices"]
    told = report(kept)
    assert (told["restored_prompts"], told["restored_tokens"]) == (1, restored(again))
    (group,) = told["groups"]
    assert (group["model"], group["prefixes"]) == (id_of(kept), 1)
    assert f'edge_rt_tokens_total{{kind="restored",model="{id_of(kept)}"}}' in kept.metrics()
    (file,) = files(kept)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size == group["size_bytes"]


def test_it_comes_back_after_a_kill_of_all(kept: Daemon) -> None:
    kept.kill_engine()
    kept.kill()
    kept.start()
    assert restored(ask(kept, QUESTIONS[3])) > LEAST


def test_who_wants_nothing_kept_gets_nothing_of_it(kept: Daemon) -> None:
    restart(kept)
    assert restored(ask(kept, QUESTIONS[2], edge={"cache": "off"})) == 0


def test_a_damaged_file_changes_no_answer(kept: Daemon) -> None:
    first = ask(kept, QUESTIONS[3], edge={"cache": "off"})
    restart(kept)
    (file,) = files(kept)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    again = ask(kept, QUESTIONS[3], edge={"cache": "refresh"})
    assert restored(again) == 0
    assert again["choices"] == first["choices"]
    assert files(kept) == []
    assert "damaged" in kept.log.read_text()


def test_it_is_shown_and_forgotten_with_the_answers(kept: Daemon, tools: Any) -> None:
    for question in QUESTIONS[:2]:
        ask(kept, question, edge={"cache": "refresh"})
    written(kept, tools)
    assert "prefixes groups\n" in kept.run("cache", "show").stdout
    gone = kept.run("cache", "purge", "--model", id_of(kept)).stdout
    assert "1 beginning of prompts forgotten" in gone
    assert files(kept) == []
    restart(kept)
    assert restored(ask(kept, QUESTIONS[2])) == 0
