"""A real daemon, with a real embedding model, gives an answer to a question in other words."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pull import pull
from edge_rt.models.store.store import Store

Daemon = Any
CHAT = "/v1/chat/completions"
EMBEDDING = "all-minilm-l6-v2"
CACHE = {"cache": {"semantic": {"model": EMBEDDING}}}
FIRST, AGAIN = "What is the capital of France?", "Hi! What's the capital of France?"
OTHERS = (
    "What is the capital of Spain?",
    "What is not the capital of France?",
    "Where is the capital of France?",
    "What is the largest city of France?",
    "What is the capital of France famous for?",
)


@pytest.fixture(scope="module")
def both_store(store: Path, minilm: Path, tmp_path_factory: Any) -> Path:
    """A store with a model that writes and one that embeds."""
    root = tmp_path_factory.mktemp("both") / "models"
    shutil.copytree(store, root, copy_function=os.link)
    pull(EMBEDDING, Store(root, load_catalogue()), cache=minilm.parent.parent)
    return root


@pytest.fixture(scope="module")
def daemon(make_daemon: Any, both_store: Path) -> Iterator[Daemon]:
    made = make_daemon(both_store, **CACHE)
    yield made
    made.close()


def ask(daemon: Daemon, text: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 24, **fields}
    response = daemon.post(body, CHAT)
    assert response.status_code == 200, response.text
    return response.json()


def test_other_words_get_the_answer_and_other_questions_do_not(daemon: Daemon) -> None:
    first, again = ask(daemon, FIRST), ask(daemon, AGAIN)
    edge = again["edge"]
    assert "cache" not in first["edge"]
    assert (edge["cache"], edge["cache_question"]) == ("semantic", FIRST)
    assert again["choices"] == first["choices"]
    for text in OTHERS:
        assert "cache" not in ask(daemon, text)["edge"], text
    embedded = [b for b in daemon.http.get("/edge/v1/ledger").json()["last"] if b["prompt_tokens"]]
    assert {EMBEDDING, daemon.model} <= {booking["model"] for booking in embedded}
    assert re.search("^semantic hits +1$", daemon.run("cache", "show").stdout, re.MULTILINE)
    told = daemon.run("run", AGAIN, "--temperature", "0", "--max-tokens", "24").stderr
    assert f'to "{FIRST}"' in told


def test_questions_outlive_a_kill_and_damage_fails_no_request(
    own_daemon: Any, both_store: Path
) -> None:
    daemon = own_daemon(both_store, **CACHE)
    first = ask(daemon, FIRST)
    assert daemon.terminate() == 0
    daemon.start()
    again = ask(daemon, AGAIN)
    assert again["edge"]["cache"] == "semantic"
    assert again["choices"] == first["choices"]
    daemon.kill()
    path = Path(daemon.directory, "semantic.db")
    path.write_bytes(b"\xff" * path.stat().st_size)
    daemon.start()
    assert "cache" not in ask(daemon, AGAIN)["edge"]
    assert list(daemon.directory.glob("semantic.db.corrupt-*"))
    assert ask(daemon, FIRST)["edge"]["cache"] == "exact"


def test_without_the_embedding_model_requests_are_answered(own_daemon: Any) -> None:
    daemon = own_daemon(**CACHE)
    for text in (FIRST, AGAIN):
        assert "cache" not in ask(daemon, text)["edge"]
    assert daemon.log.read_text().count("are not looked for") == 1  # not at each request
