"""A real daemon tells again what it told before, byte for byte, over restarts and kills."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from edge_rt.cli.text import counted

Daemon = Any
CHAT = "/v1/chat/completions"
GREEDY = {"temperature": 0, "max_tokens": 24}
ASK = {"messages": [{"role": "user", "content": "Name three rivers."}], **GREEDY}
CACHE = {"cache": {"enabled": True}}
VARIETY: list[dict[str, Any]] = [
    {},
    {"n": 2, "seed": 5, "temperature": 1.0},
    {"logprobs": True, "top_logprobs": 3},
    {"stop": ["River", "river"]},
    {"max_tokens": 400, "stream_options": {"include_usage": True}},
    {"prompt": ["Once upon a time", "🦊 is"], "echo": True},
    {"prompt": "Once upon a time", "logprobs": 2},
]


@pytest.fixture(scope="module")
def daemon(make_daemon: Any) -> Iterator[Daemon]:
    """One that keeps answers."""
    made = make_daemon(**CACHE)
    yield made
    made.close()


def plain(daemon: Daemon, **fields: Any) -> dict[str, Any]:
    path = "/v1/completions" if "prompt" in fields else CHAT
    response = daemon.post((ASK if path == CHAT else GREEDY) | fields, path)
    assert response.status_code == 200, response.text
    return response.json()


def streamed(daemon: Daemon, **fields: Any) -> list[dict[str, Any]]:
    path = "/v1/completions" if "prompt" in fields else CHAT
    with daemon.stream(path, **(ASK if path == CHAT else GREEDY) | fields) as events:
        return list(events)


def told(events: list[dict[str, Any]]) -> tuple[object, ...]:
    """Return what a stream says, however it is cut, without its answer's name and cost."""
    texts: dict[int, str] = {}
    others: list[object] = []
    for event in events:
        for choice in event["choices"]:
            text = choice.get("text") or choice.get("delta", {}).get("content") or ""
            texts[choice["index"]] = texts.get(choice["index"], "") + text
            ends = choice["index"], choice["logprobs"], choice["finish_reason"]
            others += [ends] if any(ends[1:]) else []
        others += [event["usage"]] if event.get("usage") else []
    heads = {(event["object"], event["model"], event["system_fingerprint"]) for event in events}
    return texts, others, heads


def is_hit(*documents: dict[str, Any]) -> bool:
    return any(d.get("edge", {}).get("cache") == "exact" for d in documents)


@pytest.mark.parametrize("fields", VARIETY)
def test_a_stream_and_a_whole_answer_are_told_again(daemon: Daemon, fields: dict) -> None:
    """In fewer chunks than when they were made; a whole answer of what was a stream, too."""
    documents = {key: value for key, value in fields.items() if key != "stream_options"}
    whole = plain(daemon, **documents, edge={"cache": "off"})
    first = streamed(daemon, **fields)
    before = daemon.steps()
    again, whole_again = streamed(daemon, **fields), plain(daemon, **documents)
    assert not is_hit(*first, whole)
    assert is_hit(*again)
    assert is_hit(whole_again)
    assert daemon.steps() == before
    assert told(again) == told(first)
    assert whole_again["choices"] == whole["choices"]
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert [whole_again["usage"][t] for t in tokens] == [whole["usage"][t] for t in tokens]


def test_a_hit_takes_no_joules_and_the_ledger_says_what_it_saved(daemon: Daemon) -> None:
    ask = {"messages": [{"role": "user", "content": "Say hello."}]}
    first, again = plain(daemon, **ask), plain(daemon, **ask)
    assert again["edge"]["energy_j"] == 0.0
    assert again["edge"]["cache_energy_j"] == first["edge"]["energy_j"]
    (booked, *_) = daemon.http.get("/edge/v1/ledger?last=1").json()["last"]
    assert (booked["status"], booked["energy_j"], booked["busy_s"]) == ("cached", 0.0, 0.0)
    assert booked["answer_id"] == again["id"]
    assert booked["completion_tokens"] == first["usage"]["completion_tokens"]
    assert "edge_rt_cache_hits_total" in daemon.metrics()


def test_only_what_is_there_with_the_sdk(daemon: Daemon) -> None:
    sdk, wanted = daemon.sdk(), {"edge": {"cache": "only"}}
    ask = {"model": daemon.model, **GREEDY, "extra_body": wanted}
    ask["messages"] = [{"role": "user", "content": "Never asked before."}]
    with pytest.raises(openai.NotFoundError) as refused:
        sdk.chat.completions.create(**ask)
    assert refused.value.code == "not_cached"
    made = sdk.chat.completions.create(**ask | {"extra_body": {}})
    again = sdk.chat.completions.create(**ask)
    assert again.choices[0].message.content == made.choices[0].message.content


def test_the_daemon_knows_who_asks_and_forgets_what_it_is_told_to(daemon: Daemon) -> None:
    plain(daemon, prompt="To be forgotten:")
    me = f"uid:{os.getuid()}"
    kept = json.loads(daemon.run("cache", "show", "--json").stdout)
    (group,) = kept["groups"]
    assert (group["model"], group["client"]) == (daemon.model, me)
    answers = counted(group["answers"], "answer")
    # Where reading takes long, as on a busy machine, beginnings of prompts are kept, too.
    prefixes = sum(one["prefixes"] for one in kept["prefixes"]["groups"] if one["client"] == me)
    answers += f" and {counted(prefixes, 'beginning')} of prompts" if prefixes else ""
    gone = daemon.run("cache", "purge", "--client", me)
    assert gone.stdout == f"{answers} forgotten\n"
    assert not is_hit(plain(daemon, prompt="To be forgotten:"))


def test_a_cancelled_stream_is_not_kept(daemon: Daemon) -> None:
    ask = {"prompt": "A very long story:", "max_tokens": 900, "ignore_eos": True}
    with daemon.stream(**GREEDY | ask) as events:
        next(events)
    daemon.quiet()
    response = daemon.post(GREEDY | ask | {"edge": {"cache": "only"}})
    assert response.status_code == 404


@pytest.mark.slow
def test_a_stream_that_outlived_its_engine_is_kept_whole(daemon: Daemon) -> None:
    ask = {"prompt": "The old lighthouse keeper", "max_tokens": 200, "ignore_eos": True}
    alone = plain(daemon, **ask, edge={"cache": "off"})["choices"][0]["text"]
    with daemon.stream(**GREEDY | ask) as events:
        for number, _ in enumerate(events):
            if number == 10:
                daemon.kill_engine()
    again = plain(daemon, **ask)
    assert is_hit(again)
    assert again["choices"][0]["text"] == alone


@pytest.mark.slow
def test_answers_outlive_a_stop_and_a_kill(own_daemon: Any) -> None:
    daemon = own_daemon(**CACHE)
    first = streamed(daemon)
    assert daemon.terminate() == 0
    daemon.start()
    again = streamed(daemon)
    assert is_hit(*again)
    assert told(again) == told(first)
    other = {"messages": [{"role": "user", "content": "Name three lakes."}]}
    made = plain(daemon, **other)
    daemon.http.get("/edge/v1/cache")  # by then it is written
    daemon.kill()
    daemon.start()
    assert plain(daemon, **other)["choices"] == made["choices"]
    assert is_hit(*streamed(daemon))
    assert daemon.loaded() == set()  # nothing of all that needed the model


@pytest.mark.slow
def test_a_damaged_cache_is_put_aside_and_answers_go_on(own_daemon: Any) -> None:
    daemon = own_daemon(**CACHE)
    first = plain(daemon)
    assert daemon.terminate() == 0
    path = Path(daemon.directory, "cache.db")
    path.write_bytes(b"\xff" * path.stat().st_size)
    daemon.start()
    again = plain(daemon)
    assert not is_hit(again)
    assert again["choices"] == first["choices"]
    assert list(daemon.directory.glob("cache.db.corrupt-*"))
    assert "cache.db" in daemon.log.read_text()
    assert is_hit(plain(daemon))
