"""`cache` shows what is kept of answers, and forgets only what is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Json = dict[str, Any]

NOW = 1_795_000_000.0
PATH, PURGE = "/edge/v1/cache", "/edge/v1/cache/purge"


def report(**others: Any) -> Json:
    group = {
        "model": "smollm2-135m-instruct",
        "client": "uid:1000",
        "answers": 12,
        "size_bytes": 30_000,
        "oldest": NOW - 7200,
        "newest": NOW - 5,
    }
    usual: Json = {
        "enabled": True,
        "stored": True,
        "per_client": False,
        "ttl_s": 86400.0,
        "max_bytes": 1 << 26,
        "groups": [group],
        "hits": 7,
        "misses": 13,
        "saved_j": 81.5,
    }
    return usual | others


def test_show(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PATH] = 200, report()
    told = [" ".join(line.split()) for line in cli("cache", "show").output.splitlines()]
    assert {"enabled yes", "hits 7", "misses 13", "saved 81.5 J", "ttl 1 d 0 h"} <= set(told)
    assert told[-1].startswith("smollm2-135m-instruct uid:1000 12 29.3 KiB 2026-")
    assert json.loads(cli("cache", "show", "--json").output) == report()


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--all"], {}),
        (["--model", "m"], {"model": "m"}),
        (["--client", "uid:5", "--older", "60"], {"client": "uid:5", "older_s": 60.0}),
    ],
)
def test_purge(daemon: Daemon, cli: Cli, words: list[str], asked: Json) -> None:
    daemon.documents[PURGE] = 200, {"answers": 1}
    result = cli("cache", "purge", *words)
    assert result.output == "1 answer forgotten\n"
    assert daemon.asked == [(PURGE, asked)]


def test_a_purge_tells_what_became_of_prompts(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PURGE] = 200, {"answers": 0, "prefixes": 1}
    gone = cli("cache", "purge", "--all").output
    assert gone == "0 answers and 1 beginning of prompts forgotten\n"


@pytest.mark.parametrize(
    ("words", "advice"), [([], "or --all"), (["--all", "--model", "m"], "leave it out")]
)
def test_a_purge_needs_to_be_told_what(
    daemon: Daemon, cli: Cli, words: list[str], advice: str
) -> None:
    refused = cli("cache", "purge", *words)
    assert (refused.exit_code, advice in refused.stderr) == (2, True)
    assert daemon.asked == []


def test_run_says_what_it_wants_of_the_cache(daemon: Daemon, cli: Cli) -> None:
    cli("run", "Hi", "--cache", "only")
    assert daemon.asked[0][1]["edge"] == {"cache": "only"}


def test_an_answer_from_the_cache_says_so(daemon: Daemon, cli: Cli) -> None:
    told = {"cache": "exact", "cache_age_s": 12.0, "cache_energy_j": 1.5}
    daemon.will("Hello", edge={"model": "m", **told})
    assert "answered 12 s ago for 1.50 J" in cli("run", "Hi").stderr
    told |= {"cache": "semantic", "cache_question": "Hello there?"}
    daemon.will("Hello", edge={"model": "m", **told})
    assert 'answered 12 s ago for 1.50 J to "Hello there?"' in cli("run", "Hi").stderr
