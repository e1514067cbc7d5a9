"""A real daemon, with a real embedding model, gives an answer to a question in other words."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.cached import Kept, digest
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import Comparison, Neighbour, Question, SemanticCache
from edge_rt.generation.cache.tables import vector
from edge_rt.generation.cache.verified import figures
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.pull import pull
from edge_rt.models.store.store import Store

Daemon = Any
CHAT = "/v1/chat/completions"
EMBEDDING = "all-minilm-l6-v2"
CACHE = {"cache": {"semantic": {"model": EMBEDDING}}}
FIRST, AGAIN = "What is the capital of France?", "Hi! What's the capital of France?"
LEARNT = {"cache": {"semantic": {"model": EMBEDDING, "wrong": 0.02}}}
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


def teach(daemon: Daemon, store: Path) -> int:
    """Write to the stopped daemon's file what comparisons of others have told; how many."""
    found = Store(store, load_catalogue()).get(EMBEDDING)
    space = digest(found.id, found.sha256)
    bounds = {"ttl_s": 1e9, "max_bytes": 1 << 24, "memory_bytes": 1 << 20}
    cache = SemanticCache(ExactCache(daemon.directory / "semantic.db", **bounds), most=1)
    verifier, pairs = cache.verifier(space), [(FIRST, AGAIN, True)] * len(OTHERS)
    pairs += [(FIRST, other, False) for other in OTHERS]
    for number in range(40):
        for at, (one, other, same) in enumerate(pairs):
            one, other = (text.replace("France", f"Place{number}") for text in (one, other))
            key = digest(number, at)
            told = figures(0.95, one, other, key)
            near = Neighbour(key, one, 0.95, told, verifier.lower(told), False)
            kept = Kept(digest("again", key), daemon.model, "uid:0", time.time(), b"")
            asked = Question(b"", other, vector(bytes(4)), space)
            cache.learn(Comparison(asked, kept, "", near, ""), same)
    asyncio.run(cache.close())
    return cache.comparisons()


def ask(daemon: Daemon, text: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 24, **fields}
    response = daemon.post(body, CHAT)
    assert response.status_code == 200, response.text
    return response.json()


def semantic(daemon: Daemon) -> dict[str, Any]:
    return daemon.http.get("/edge/v1/cache").json()["semantic"]


def test_other_words_get_the_answer_once_that_is_learnt_and_other_questions_do_not(
    own_daemon: Any, both_store: Path, tools: Any
) -> None:
    daemon = own_daemon(both_store, **LEARNT)
    first = ask(daemon, FIRST)
    assert daemon.terminate() == 0
    learnt = teach(daemon, both_store)
    daemon.start()
    told = {"comparisons": learnt, "questions": 1}
    tools.eventually(lambda: told.items() <= semantic(daemon).items(), "what was learnt is read")
    again = ask(daemon, AGAIN, edge={"cache": "only"})
    assert (again["edge"]["cache"], again["edge"]["cache_question"]) == ("semantic", FIRST)
    assert again["choices"] == first["choices"]
    for text in OTHERS:
        assert "cache" not in ask(daemon, text)["edge"], text
    embedded = [b for b in daemon.http.get("/edge/v1/ledger").json()["last"] if b["prompt_tokens"]]
    assert {EMBEDDING, daemon.model} <= {booking["model"] for booking in embedded}
    assert re.search("^semantic hits +1$", daemon.run("cache", "show").stdout, re.MULTILINE)


def test_a_model_judges_answers_with_other_words_when_there_is_time(
    own_daemon: Any, both_store: Path, tools: Any
) -> None:
    judged = {"cache": {"semantic": {"model": EMBEDDING, "judge": "default"}}}
    daemon = own_daemon(both_store, **judged)
    for text in (FIRST, *OTHERS):
        ask(daemon, text)
    tools.eventually(lambda: semantic(daemon)["comparisons"] > 0, "answers are compared")
    bookings = daemon.http.get("/edge/v1/ledger").json()["last"]
    assert "compare-1" in [booking["answer_id"] for booking in bookings]


def test_damage_fails_no_request(own_daemon: Any, both_store: Path) -> None:
    daemon = own_daemon(both_store, **CACHE)
    ask(daemon, FIRST)
    assert daemon.terminate() == 0
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
