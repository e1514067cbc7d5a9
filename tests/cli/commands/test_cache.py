"""`cache` shows what is kept of answers, and forgets only what is named."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from edge_rt.cli.commands.cache import cache_table

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


def shown(document: Json) -> list[str]:
    file = io.StringIO()
    Console(width=80, file=file).print(cache_table(document, NOW))
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def test_what_there_is_and_what_it_saved() -> None:
    assert shown(report()) == [
        "model client answers size oldest newest",
        "smollm2-135m-instruct uid:1000 12 29.3 KiB 2 h 0 min 5 s",
        "7 requests answered from it since the daemon's start, 13 not; 81.5 J saved",
        "kept for 1 d 0 h, in at most 64.0 MiB",
    ]


def test_joules_that_nobody_knows_are_not_said_to_be_none() -> None:
    assert shown(report(saved_j=None))[2].endswith("13 not; joules unknown")


def test_nothing_yet_and_not_for_everybody() -> None:
    lines = shown(report(groups=[], per_client=True))
    assert lines[0] == "Empty."
    assert lines[-1].endswith("; each client gets its own")


def test_what_questions_that_mean_the_same_brought() -> None:
    semantic = {"model": "all-minilm-l6-v2", "questions": 1200, "hits": 3}
    assert shown(report(semantic=semantic))[4] == (
        "3 requests of them by another question that means the same; 1200 questions known"
    )
    assert shown(report(semantic=None)) == shown(report())


def test_a_cache_that_is_off_or_cannot_be_written_says_so() -> None:
    (line,) = shown(report(enabled=False))
    assert "cache.enabled" in line
    assert "cannot be written" in shown(report(stored=False))[0]


def test_what_is_kept_of_prompts() -> None:
    group = {"model": "smollm2-135m-instruct", "client": "uid:1000", "prefixes": 2}
    prefixes = {
        "enabled": True,
        "stored": False,
        "max_bytes": 1 << 28,
        "groups": [group | {"tokens": 1900, "size_bytes": 33_000_000}],
        "restored_prompts": 1,
        "restored_tokens": 950,
    }
    assert shown(report(prefixes=prefixes))[4:] == [
        "Beginnings of prompts cannot be written.",
        "2 beginnings of prompts, 1900 tokens, 31.5 MiB: smollm2-135m-instruct for",
        "uid:1000",
        "1 prompt began with what was kept, 950 tokens of them; in at most 256.0 MiB",
    ]
    assert shown(report(prefixes=None)) == shown(report())


def test_show(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PATH] = 200, report()
    assert "81.5 J saved" in cli("cache", "show").output
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
