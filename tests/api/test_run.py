"""A request's course: failures before and after the first token, and clients that leave."""

from __future__ import annotations

import asyncio

import pytest

from edge_rt.api import run as run_module
from edge_rt.core.errors import EngineError, EngineStopped, ModelNotFound, RequestError, Unavailable

CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}]}

FAILURES = [
    (
        RequestError("too long: 5000 > 4096", param="messages", code="context_length_exceeded"),
        400,
        "context_length_exceeded",
    ),
    (ModelNotFound("gone"), 404, "model_not_found"),
    (Unavailable("full", retry_after_s=2.5), 503, "unavailable"),
    (Unavailable("damaged", retry_after_s=None, code="model_damaged"), 500, "model_damaged"),
    (Unavailable("slower", retry_after_s=0.0, code="rate_limit"), 429, "rate_limit"),
    (EngineError("died"), 500, "engine_error"),
    (EngineStopped("told to"), 500, "engine_error"),
    (ZeroDivisionError("secret"), 500, "internal_error"),
]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("error", "status", "code"), FAILURES)
def test_failure_before_the_first_token_has_its_status(
    client, service, script, error, status, code, stream, begun
):
    """Then a proxy may have another board answer, also where the prompt was being read."""
    service.script = lambda call: [script.started(), error] if begun else [error]
    response = client.chat(stream=stream)
    assert response.status == status
    assert response.json()["error"]["code"] == code
    assert response.headers["content-type"] == "application/json"
    assert "secret" not in response.body.decode()
    assert service.closed == 1


@pytest.mark.parametrize(("error", "status", "code"), FAILURES)
def test_failure_after_the_first_token_ends_the_stream(
    client, service, script, error, status, code
):
    service.script = lambda call: [script.started(), script.delta("Hel"), error]
    response = client.chat(stream=True)
    assert response.status == 200
    *chunks, last = response.events()
    assert last["error"]["code"] == code
    assert chunks[-1]["choices"][0]["delta"] == {"content": "Hel"}
    assert "secret" not in response.body.decode()
    assert response.messages[-1].get("more_body", False) is False
    assert f'status="{status}"' in client.get("/metrics").body.decode()


@pytest.mark.parametrize(("error", "status", "code"), FAILURES)
def test_failure_after_the_first_token_of_a_plain_answer(
    client, service, script, error, status, code
):
    service.script = lambda call: [script.started(), script.delta("Hel"), error]
    assert client.chat().status == status


@pytest.mark.parametrize(
    ("error", "level"), [(EngineError("died"), "ERROR"), (EngineStopped("told to"), "INFO")]
)
def test_only_what_was_not_asked_for_is_an_error_in_the_log(client, service, caplog, error, level):
    caplog.set_level("INFO", "edge_rt.api")
    service.script = lambda call: [error]
    client.chat()
    assert [record.levelname for record in caplog.records] == [level]


def test_a_cost_shows_nothing_and_ends_nothing(client, service, script):
    service.script = lambda call: [script.started(), script.delta("a"), script.finished()]
    before = client.chat(stream=True)
    service.script = lambda call: [
        script.started(),
        script.delta("a"),
        script.cost(),
        script.finished(),
    ]
    after = client.chat(stream=True)
    assert len(after.events()) == len(before.events())
    assert len(after.messages) == len(before.messages)


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_only_the_last_chunk_of_a_stream_tells_the_cost(client, n, usage):
    response = client.chat(stream=True, n=n, stream_options={"include_usage": usage})
    *chunks, last, done = response.events()
    assert done == "[DONE]"
    assert last["edge"]["energy_j"] == 1.5
    assert all("edge" not in chunk for chunk in chunks)


def test_retry_after_is_a_whole_number_of_at_least_one(client, service):
    service.script = lambda call: [Unavailable("full", retry_after_s=2.1)]
    assert client.chat().headers["retry-after"] == "3"
    service.script = lambda call: [Unavailable("full", retry_after_s=0)]
    assert client.chat().headers["retry-after"] == "1"
    service.script = lambda call: [Unavailable("damaged", retry_after_s=None)]
    answer = client.chat()
    assert answer.status == 500  # 503 says that it passes by itself
    assert "retry-after" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_an_end_is_an_engine_error(client, service, script, stream):
    service.script = lambda call: []
    assert client.chat(stream=stream).status == 500
    service.script = lambda call: [script.started(), script.finished(0)]
    assert client.chat(n=2).status == 500


def test_an_answer_cut_short_is_an_error_not_a_finish_reason(client, service, script):
    service.script = lambda call: [script.started(), script.finished(reason="preempted")]
    assert client.chat().status == 500
    assert "error" in client.chat(stream=True).events()[-1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [0, 1, 2])
def test_a_client_that_leaves_cancels_its_request(client, service, script, stream, begun):
    async def run():
        never = asyncio.Event()
        service.script = lambda call: [*[script.started(), script.delta("x")][:begun], never]
        connection = client.open("POST", CHAT, {**BODY, "stream": stream})
        while not service.opened:
            await asyncio.sleep(0)
        for _ in range(begun if stream else 0):
            await connection.message()
        connection.leave()
        await connection.end()
        assert service.closed == 1

    asyncio.run(run())


def test_a_client_that_leaves_cancels_every_prompt(client, service):
    async def run():
        service.script = lambda call: [asyncio.Event()]
        connection = client.open("POST", "/v1/completions", {"prompt": ["a", "b", "c"]})
        while service.opened < 3:
            await asyncio.sleep(0)
        connection.leave()
        await connection.end()
        assert service.closed == 3
        assert connection.response.status == 0

    asyncio.run(run())


def test_one_failing_prompt_cancels_the_others(client, service):
    service.script = lambda call: [EngineError("died") if call.prompt == "b" else asyncio.Event()]
    assert client.complete(prompt=["a", "b", "c"]).status == 500
    assert service.closed == service.opened


def test_a_stopping_server_cancels_the_request(client, service):
    async def run():
        service.script = lambda call: [asyncio.Event()]
        connection = client.open("POST", CHAT, BODY)
        while not service.opened:
            await asyncio.sleep(0)
        connection._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connection.end()
        assert service.closed == 1

    asyncio.run(run())


def test_nothing_is_sent_before_the_first_event(client, service, script):
    async def run():
        gate = asyncio.Event()
        service.script = lambda call: [gate, *script.hello(call)]
        connection = client.open("POST", CHAT, {**BODY, "stream": True})
        while not service.opened:
            await asyncio.sleep(0)
        assert connection.response.messages == []
        gate.set()
        assert (await connection.end()).status == 200

    asyncio.run(run())


def test_a_silent_stream_is_kept_open(client, service, script, monkeypatch):
    monkeypatch.setattr(run_module, "SILENT_S", 0.01)

    async def run():
        gate = asyncio.Event()
        service.script = lambda call: [gate, *script.hello(call)]
        connection = client.open("POST", CHAT, {**BODY, "stream": True})
        while len(connection.response.messages) < 3:
            await connection.message()
        head, *comments = connection.response.messages
        assert head["status"] == 200
        assert {message["body"] for message in comments} == {b": waiting\n\n"}
        gate.set()
        told = (await connection.end()).body.removeprefix(b": waiting\n\n" * len(comments))
        service.script = script.hello
        usual = await client.open("POST", CHAT, {**BODY, "stream": True}).end()
        assert told.lstrip(b": waiting\n").count(b"data: ") == usual.body.count(b"data: ")
        assert told.endswith(b"data: [DONE]\n\n")

    asyncio.run(run())


@pytest.mark.parametrize("error", [RequestError("too long"), ZeroDivisionError("secret")])
def test_what_fails_after_a_comment_ends_the_stream(client, service, error, monkeypatch):
    monkeypatch.setattr(run_module, "SILENT_S", 0.01)

    async def run():
        gate = asyncio.Event()
        service.script = lambda call: [gate, error]
        connection = client.open("POST", CHAT, {**BODY, "stream": True})
        while len(connection.response.messages) < 2:
            await connection.message()
        gate.set()
        response = await connection.end()
        assert response.status == 200
        assert b'data: {"error":' in response.body
        assert b"[DONE]" not in response.body

    asyncio.run(run())


def test_tokens_are_sent_as_they_come(client, service, script):
    async def run():
        gates = [asyncio.Event() for _ in range(2)]
        service.script = lambda call: [
            script.started(),
            gates[0],
            script.delta("a"),
            gates[1],
            script.finished(),
        ]
        connection = client.open("POST", CHAT, {**BODY, "stream": True})
        while len(connection.response.messages) < 2:  # start and role
            await connection.message()
        gates[0].set()
        assert b'"content":"a"' in (await connection.message())["body"]
        gates[1].set()
        await connection.end()

    asyncio.run(run())


def test_the_costs_are_told_once_and_last_however_slowly_a_client_reads(
    client, service, script, monkeypatch
):
    async def run():
        service.script = script.hello
        first = client.open("POST", CHAT, BODY)
        await first.end()
        send = type(first)._send

        async def slowly(self, message):
            for _ in range(5):
                await asyncio.sleep(0)
            await send(self, message)

        monkeypatch.setattr(type(first), "_send", slowly)
        body = {"prompt": ["a", "b", "c"], "stream": True}
        *events, done = (await client.open("POST", "/v1/completions", body).end()).events()
        assert done == "[DONE]"
        assert ["edge" in event for event in events] == [False] * (len(events) - 1) + [True]

    asyncio.run(run())
