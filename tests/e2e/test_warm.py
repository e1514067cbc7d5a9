"""Prefixes of `warm` are read before requests come, and give way to those that do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Daemon = Any
CHAT = "/v1/chat/completions"
SMALL = {"threads": 1, "context": 2048, "sequences": 4, "batch": 64, "prefill_chunk": 32}
SYSTEM = " ".join(f"Room {number} has a lamp, a blind and a heater." for number in range(40))
LIGHT = {
    "type": "function",
    "function": {
        "name": "turn_on",
        "description": "Turn on a lamp.",
        "parameters": {"type": "object", "properties": {"room": {"type": "integer"}}},
    },
}
WARM = {"messages": [{"role": "system", "content": SYSTEM}], "tools": [LIGHT]}


@pytest.fixture
def house(own_daemon: Callable[..., Daemon]) -> Callable[..., Daemon]:
    """Makes daemons with a prefix to read."""
    return lambda *entries, **more: own_daemon(engine=SMALL, warm=[WARM, *entries], **more)


def ask(daemon: Daemon, said: str = "Light in room 7, please.") -> dict[str, Any]:
    messages = [*WARM["messages"], {"role": "user", "content": said}]
    body = {"messages": messages, "tools": [LIGHT], "max_tokens": 4, "temperature": 0}
    answer = daemon.post(body, CHAT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def unread(answer: dict[str, Any]) -> int:
    usage = answer["usage"]
    return usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]


def is_warm(daemon: Daemon, tools: Any) -> list[dict[str, Any]]:
    def all_warm() -> list[dict[str, Any]] | None:
        told = daemon.status()["warm"]
        return told if all(one["state"] == "warm" for one in told) else None

    return tools.eventually(all_warm, "the prefixes are read")


def test_the_first_request_finds_its_prefix_read(house: Any, tools: Any) -> None:
    daemon = house({"prompt": "The house has rooms and rules. " * 8})
    chat, text = is_warm(daemon, tools)
    assert chat["tokens"] > 500 > text["tokens"] > 40
    answer = ask(daemon)
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= chat["tokens"] - 1
    assert unread(answer) < 40
    assert unread(daemon.post({"prompt": "The house has rooms and rules. " * 9}).json()) < 20
    daemon.kill_engine()
    tools.eventually(lambda: daemon.status()["warm"][0]["state"] != "warm", "the engine is new")
    is_warm(daemon, tools)
    assert unread(ask(daemon, "And in room 8?")) < 40


def test_it_is_read_again_once_others_took_its_place(house: Any, tools: Any) -> None:
    daemon = house()
    (told,) = is_warm(daemon, tools)

    def readings() -> int:
        booked = daemon.http.get("/edge/v1/ledger?last=99").json()["last"]
        return sum(row["prompt_tokens"] == told["tokens"] for row in booked)

    texts = [f"{letter} lamps stand in rooms. " * 6 for letter in "ABCDEF"]
    for text in texts:
        daemon.complete(text, max_tokens=1)
    assert unread(ask(daemon)) < 40  # it was pinned
    tools.eventually(lambda: readings() == 1, "it is booked")
    calls = [lambda text=text: daemon.complete(text + "So", max_tokens=12) for text in texts]
    tools.together(calls)
    tools.eventually(lambda: readings() == 2, "it is read again")
    is_warm(daemon, tools)
    assert unread(ask(daemon, "Room 9.")) < 40


def test_requests_go_first(own_daemon: Any, tools: Any) -> None:
    daemon = own_daemon(engine=SMALL | {"context": 4096}, warm=[_long()])
    tools.eventually(lambda: daemon.status()["requests"], "it reads")
    with daemon.stream(prompt="One day", max_tokens=12, ignore_eos=True, temperature=0) as events:
        for _ in events:
            state = daemon.status()
            assert state["warm"][0]["state"] == "waiting"
            assert state["engine"].get("running", 0) <= 1
    (told,) = is_warm(daemon, tools)
    messages = [*_long()["messages"], {"role": "user", "content": "Well?"}]
    answer = daemon.post({"messages": messages, "max_tokens": 2}, CHAT).json()
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= told["tokens"] - 1


def _long() -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": SYSTEM * 3}]}


def test_what_cannot_be_read_is_a_problem(own_daemon: Any, tools: Any) -> None:
    daemon = own_daemon(engine=SMALL | {"context": 256}, warm=[WARM])
    tools.eventually(lambda: daemon.status()["warm"][0]["state"] == "failed", "it is too long")
    (problem,) = daemon.status()["problems"]
    assert problem["code"] == "warm"
    assert "context" in problem["message"]
    assert daemon.complete("One day", max_tokens=2)


def test_without_memory_nothing_is_loaded(own_daemon: Any, tools: Any) -> None:
    daemon = own_daemon(engine=SMALL, warm=[WARM], models={"reserve_bytes": 1 << 50})
    tools.eventually(lambda: daemon.status()["warm"][0]["state"] == "not loaded", "it has looked")
    assert daemon.loaded() == set()


def test_a_wrong_entry_is_refused_by_its_place(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "warm:\n- prompt: Once\n- messages:\n  - {role: system, content: Be brief.}\n"
        "  tools:\n  - {type: function, function: {name: 'turn on'}}\n"
    )
    checked = daemon.run("check-config", str(file))
    assert checked.returncode == 6
    assert f"{file}:6: warm[1].tools[0].function.name: " in checked.stdout
